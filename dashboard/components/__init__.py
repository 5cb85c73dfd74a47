"""The dashboard's own Streamlit components: image grid, scatter plot, deep zoom."""

from dashboard.components.image_grid import GridItem, image_grid

__all__ = ["GridItem", "image_grid"]
