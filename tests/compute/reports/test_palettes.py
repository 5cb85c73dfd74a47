"""Colors are told apart: from each other, and from the dashboard's pages, light and dark."""

import itertools
import tomllib

import numpy as np
import pytest

from compute.reports.drawing import palettes
from tests.support import ROOT

THEME = tomllib.loads((ROOT / "dashboard/server/streamlit.toml").read_text())["theme"]
LEAST = {"light": 1.6, "dark": 3.0}
"""Contrast with the page's background: on the dark one a faint point is gone, on paper a light one is not."""

# Oklab (Ottosson 2020): from linear RGB to cone responses, and from their cube roots to lightness, a, b.
TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def linear(color: str) -> np.ndarray:
    share = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other))
    return (light + 0.05) / (dark + 0.05)


def oklab(color: str) -> np.ndarray:
    return TO_LAB @ np.cbrt(TO_CONES @ linear(color))


def test_no_two_categories_look_alike():
    pairs = itertools.combinations(map(oklab, palettes.CATEGORIES), 2)
    assert min(np.linalg.norm(one - other) for one, other in pairs) > 0.08
    assert len(palettes.CATEGORIES) == 24


@pytest.mark.parametrize("scheme", LEAST)
def test_every_category_stands_out_from_the_page(scheme):
    background = THEME[scheme]["backgroundColor"]
    faint = {each: contrast(each, background) for each in palettes.CATEGORIES}
    assert {each: found for each, found in faint.items() if found < LEAST[scheme]} == {}


def test_text_in_a_bar_is_read_and_the_bar_is_seen():
    assert contrast(palettes.BAR, "#ffffff") >= 4.5
    assert all(contrast(palettes.BAR, THEME[scheme]["backgroundColor"]) >= 3 for scheme in LEAST)


def test_a_scale_on_a_dark_page_begins_with_a_color_that_is_seen():
    background = THEME["dark"]["backgroundColor"]
    assert min(contrast(each, background) for each in palettes.VIRIDIS_ON_DARK) >= 2.9
    lightness = [oklab(each)[0] for each in palettes.VIRIDIS_ON_DARK]
    assert lightness == sorted(lightness)
