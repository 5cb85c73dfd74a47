"""Charts as pictures: matplotlib on a canvas of its own, with no display and no state between charts."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100


def canvas(width: int, height: int) -> Figure:
    """An empty white figure of width x height pixels."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def rendered(figure: Figure) -> np.ndarray:
    """(height, width, 3) uint8."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
