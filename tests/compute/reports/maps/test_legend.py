"""The legend of a map's picture names what is on it."""

import numpy as np

from compute.reports.drawing.charts import LegendStyle, canvas, legend
from compute.reports.drawing.coloring import Coloring


def entries(coloring, most):
    """Return names and colors of a legend, as they are drawn."""
    figure = canvas(400, 300)
    axes = figure.add_subplot()
    legend(figure, axes, axes.scatter([0], [0]), coloring, LegendStyle(most, 10, 10, 5, 10, 10))
    texts, dots = figure.legends[0].get_texts(), figure.legends[0].legend_handles
    return [(text.get_text(), dot.get_color()) for text, dot in zip(texts, dots, strict=True)]


def test_only_categories_of_an_image_are_named_each_with_its_own_color():
    values = np.array([4, 1, np.nan, 4, 2], "<f4")
    coloring = Coloring("label", values, ("a", "b", "c", "d", "e", "f"))
    assert entries(coloring, 10) == [(name, coloring.hues["abcdef".index(name)]) for name in "bce"]


def test_those_that_have_no_room_are_counted_without_what_is_not_there():
    coloring = Coloring("label", np.array([0, 2, 3, 5], "<f4"), ("a", "b", "c", "d", "e", "f"))
    assert [name for name, _ in entries(coloring, 2)] == ["a", "c", "… 2 more"]
