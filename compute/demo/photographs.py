"""Pictures for a network of ImageNet's classes: the photographs that scikit-image and scikit-learn carry,
whole and in overlapping crops at several scales. Nothing is downloaded or copied.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import PurePath

from compute.demo.images import NAMES, Crop, is_flat, photograph, spread_boxes

SIDE = 224
CROPS = 35
"""Of each photograph."""

SCALES = (0.35, 0.5, 0.7, 0.9)
"""Sides of crops, as shares of the photograph's shorter one."""

LABELS = {
    "camera.png": "tripod",
    "chelsea.png": "tabby",
    "china.jpg": "palace",
    "clock_motion.png": "analog clock",
    "coffee.png": "espresso",
}
"""What a file shows, by ImageNet's name where it has one; the others are called as their file is."""


@lru_cache(maxsize=1)
def photographs() -> tuple[Crop, ...]:
    """Each photograph whole, its shorter side 224 pixels, and 35 crops of 224 x 224 of it; sorted by path."""
    found = [crop for name in NAMES for crop in _of_photograph(name)]
    return tuple(sorted(found, key=lambda crop: crop.path))


def _of_photograph(name: str) -> Iterator[Crop]:
    file = name.partition(":")[2]
    subject = PurePath(file).stem
    label = LABELS.get(file, subject.replace("_", " "))
    width, height = photograph(name).size
    whole = 0, 0, width, height
    yield Crop(f"{subject}/whole.png", label, None, name, whole, SIDE)
    sides = [round(scale * min(width, height)) for scale in SCALES]
    crops = (
        Crop(f"{subject}/{index:02d}.png", label, None, name, box, SIDE)
        for index, box in enumerate(spread_boxes((whole,), sides))
    )
    yield from islice((crop for crop in crops if not is_flat(crop.image())), CROPS)
