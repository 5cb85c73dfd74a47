"""A store whose layers, classes and paths are written to do something: markup, links, formulas, code."""

import csv
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.stores.listed import make_store

EVIL = "evil.example"
"""Stands in all that would lead a person, or the browser, elsewhere."""

MARKUP = f"` **Expired:** [log in](https://{EVIL}) ![p](https://{EVIL}/p.png) $x$ :red-background[x] `"
NAMES = (
    MARKUP,
    "<img src=x onerror=window.ran=1>",
    f"<a href='https://{EVIL}'>phish</a>",
    f"https://{EVIL}/auto and www.{EVIL} or me@{EVIL}",
    f"<https://{EVIL}/angled>",
    ":material/delete: :smile: :streamlit: -> --",
    f'=HYPERLINK("https://{EVIL}","x")',
    "@SUM(1+1)*cmd",
    "\u202egnp.exe",
    "# heading",
    "1. list",
    "%{x} <b>bold</b>",
    "{{7*7}} ${7*7}",
)
NETWORK = f"""
from torch import nn

def net():
    model = nn.Sequential()
    model.add_module("<b>conv<img src=x onerror=window_ran>", nn.Conv2d(3, 4, 3, padding=1))
    model.add_module("relu", nn.ReLU())
    model.add_module("[c](javascript:alert1) $x$ **b** `c` <i>", nn.Conv2d(4, 4, 3, padding=1))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(4, {len(NAMES)}))
    return model
"""
SIDE = 12
_folder = tempfile.TemporaryDirectory(prefix="featurescope-")


@cache
def hostile_store() -> Path:
    """Return the store, not to be changed."""
    folder = Path(_folder.name)
    (folder / "network.py").write_text(NETWORK)
    (folder / "images").mkdir()
    random, rows = np.random.default_rng(0), []
    for place, name in enumerate(NAMES * 3):
        path = f"{place:02} {name.replace('/', ':')}"[:80] + ".png"
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / path)
        rows.append((path, name))
    with (folder / "images" / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    return make_store(folder, folder / "images" / "list.csv", "hostile")
