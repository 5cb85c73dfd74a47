"""Labels: names of classes, lists of them, and numbers in their place."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from compute.images.sources.items import Item

LIST_SEPARATOR = "|"
"""Between the classes of an image that has several."""

MOST_CLASSES = 1_000_000
"""A greater number is no class."""


def names_of_label(label: str | None, classes: Collection[str]) -> tuple[str, ...] | None:
    """The classes that a label names: itself, or those of a list such as "cat|dog"; None where one is no
    class."""
    if label is None or label in classes:
        return None if label is None else (label,)
    names = names_apart(label)
    return names if len(names) > 1 and all(name in classes for name in names) else None


def are_lists(items: Iterable[Item], classes: Collection[str]) -> bool:
    """Whether some image's label names several classes."""
    labels = {item.label for item in items}
    return any(len(names_of_label(label, classes) or ()) > 1 for label in labels)


def names_in_lists(labels: Iterable[str]) -> tuple[str, ...]:
    """Every name that occurs in labels, alone or in a list; sorted."""
    return tuple(sorted({name for label in labels for name in names_apart(label)}))


def names_apart(label: str) -> tuple[str, ...]:
    """The names in a list such as "cat|dog", each once; of any other label, itself."""
    return tuple(dict.fromkeys(name.strip() for name in label.split(LIST_SEPARATOR) if name.strip()))


def are_numbers(items: Iterable[Item]) -> bool:
    """Whether all labels that there are, and at least one, are whole numbers written as Python writes
    them."""
    labels = {item.label for item in items if item.label is not None}
    return bool(labels) and all(label.isdecimal() and label == str(int(label)) for label in labels)


def numbers_as_names(items: Iterable[Item]) -> tuple[str, ...]:
    """The numbers from 0 to the greatest label, as names of classes in their order."""
    greatest = max(int(item.label) for item in items if item.label is not None)
    return tuple(map(str, range(min(greatest, MOST_CLASSES) + 1)))


def named(items: Sequence[Item], classes: Sequence[str]) -> tuple[Item, ...]:
    """Items whose labels are numbers of classes, with the classes' names for labels.

    ValueError for a number that is no class's. They stay as they are where the network has no classes, or
    calls its classes by these very numbers.
    """
    labels = {item.label for item in items if item.label is not None}
    if not classes or labels <= set(classes):
        return tuple(items)
    names = {label: _name(label, classes) for label in labels}
    return tuple(item if item.label is None else replace(item, label=names[item.label]) for item in items)


def _name(label: str, classes: Sequence[str]) -> str:
    if int(label) >= len(classes):
        raise ValueError(
            f"label {label} is no class: labels are numbers from 0, and the network has {len(classes)} "
            f"classes ({classes[0]}, …, {classes[-1]})"
        )
    return classes[int(label)]
