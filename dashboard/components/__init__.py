"""The dashboard's own Streamlit components: image grid, scatter plot, deep zoom."""

from dashboard.components.deep_zoom import Bounds, DeepZoomEvents, deep_zoom
from dashboard.components.image_grid import GridItem, image_grid
from dashboard.components.scatter import Camera, ScatterEvents, scatter

__all__ = [
    "Bounds",
    "Camera",
    "DeepZoomEvents",
    "GridItem",
    "ScatterEvents",
    "deep_zoom",
    "image_grid",
    "scatter",
]
