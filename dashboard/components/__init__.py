"""The dashboard's own Streamlit components: image grid, atlas, scatter plot, deep zoom, confusion matrix."""

from dashboard.components.channel_atlas import AtlasLayer, channel_atlas
from dashboard.components.confusion_matrix import Pair, confusion_matrix
from dashboard.components.image_grid import GridItem, image_grid
from dashboard.components.maps.brushes import (
    Brush,
    Clicked,
    Histogram,
    Value,
    ValueList,
    brushes,
)
from dashboard.components.maps.deep_zoom import Bounds, DeepZoomEvents, deep_zoom
from dashboard.components.maps.scatter import Camera, Frame, ScatterEvents, scatter
from dashboard.components.pictures.image_box import image_box

__all__ = [
    "AtlasLayer",
    "Bounds",
    "Brush",
    "Camera",
    "Clicked",
    "DeepZoomEvents",
    "Frame",
    "GridItem",
    "Histogram",
    "Pair",
    "ScatterEvents",
    "Value",
    "ValueList",
    "brushes",
    "channel_atlas",
    "confusion_matrix",
    "deep_zoom",
    "image_box",
    "image_grid",
    "scatter",
]
