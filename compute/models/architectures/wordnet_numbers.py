"""ImageNet's folders are called by WordNet's numbers, n01440764, and networks by words: tench."""

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from compute.images.sources import Item, class_names
from compute.models.architectures.torchvision_networks import imagenet_names

NUMBER = re.compile(r"n[0-9]{8}")
NUMBERS = "data/_info/imagenet_synsets.txt"
"""timm's file: the numbers of ImageNet's 1,000 classes in the networks' order."""


def are_wordnet_numbers(items: Sequence[Item]) -> bool:
    """Return whether the images have labels, and all of these are WordNet's numbers."""
    labels = class_names(items)
    return bool(labels) and all(NUMBER.fullmatch(label) for label in labels)


def named_by_wordnet(items: Sequence[Item], classes: Sequence[str]) -> tuple[Item, ...]:
    """Return items whose labels are WordNet's numbers with the network's words for them.

    classes: the network's. The items stay as they are where these are not ImageNet's 1,000 in torchvision's
    words; so does a label that is none of the 1,000.
    """
    if tuple(classes) != imagenet_names():
        return tuple(items)
    words: dict[str | None, str] = dict(zip(_numbers(), classes, strict=True))
    return tuple(replace(item, label=words.get(item.label, item.label)) for item in items)


def _numbers() -> list[str]:
    """In the order of the classes; found without importing timm."""
    found = find_spec("timm")
    if found is None or found.origin is None:
        raise ValueError("labels are WordNet's numbers; timm has their list, and it is not installed")
    return (Path(found.origin).parent / NUMBERS).read_text(encoding="utf-8").split()
