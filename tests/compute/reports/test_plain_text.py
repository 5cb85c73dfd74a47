"""Names in charts: dollars are dollars, and letters without a font are named rather than boxed."""

import warnings

import numpy as np
import pytest

from compute.reports.drawing import plain_text
from compute.reports.drawing.charts import canvas, rendered


def drawn(names):
    """Return a chart with these names as ticks, title and legend, as pixels, and its texts."""
    figure = canvas(400, 300)
    axes = figure.add_subplot()
    axes.set_yticks(range(len(names)), labels=names)
    axes.set_title(names[0])
    axes.plot([0, 1], label=names[-1])
    figure.legend(title=names[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = rendered(figure)
    ticks = [each.get_text() for each in axes.get_yticklabels()]
    return pixels, [axes.get_title(), *ticks], figure


@pytest.mark.parametrize("name", ["$a_$", r"$\foo$", "$5_ to $10", "$10 to $20", "a$b$c", "100%", "_under"])
def test_a_name_with_dollars_is_no_mathematics(name):
    pixels, texts, figure = drawn([name, "plain"])
    assert texts == [name, name, "plain"] and pixels.std() > 0 and figure.get_supxlabel() == ""


def test_dollars_are_drawn():
    one, other = (drawn([name, "plain"])[0] for name in ("$a$", "a"))
    assert one.shape == other.shape and not np.array_equal(one, other)


def test_a_letter_without_a_font_stands_by_its_number(monkeypatch):
    monkeypatch.setattr(plain_text, "_letters", lambda: frozenset(range(128)))
    _, texts, figure = drawn(["狗 dog", "plain"])
    assert texts == [r"\u72d7 dog", r"\u72d7 dog", "plain"] and figure.get_supxlabel() == plain_text.SAID


def test_ordinary_letters_have_a_font():
    assert plain_text.shown("Äpfel, кот, γάτα: 3 × 4") == "Äpfel, кот, γάτα: 3 × 4"
