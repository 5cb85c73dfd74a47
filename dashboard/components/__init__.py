"""The dashboard's own Streamlit components: image grid, scatter plot, deep zoom."""

from dashboard.components.image_grid import GridItem, image_grid
from dashboard.components.scatter import Camera, ScatterEvents, scatter

__all__ = ["Camera", "GridItem", "ScatterEvents", "image_grid", "scatter"]
