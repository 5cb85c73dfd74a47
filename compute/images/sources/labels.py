"""Labels: names of classes, lists of them, and numbers in their place."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from compute.images.sources.items import ImageSource, Item, class_names

LIST_SEPARATOR = "|"
"""Between the classes of an image that has several."""

NUMBER = re.compile(r"-1(?:\.0)?|(0|[1-9][0-9]{0,17})(?:\.0)?")
"""The number of a class, or -1 for none. pandas writes 3 as 3.0 where labels are missing."""

LIKE_A_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?")
"""A label that somebody may mean for a number."""

MOST_NAMED = 5
"""Names that a line says."""

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


class WrittenLabels(ImageSource):
    """A source whose labels somebody wrote down: where all are whole numbers, they are those of classes."""

    @property
    def numbered(self) -> bool:
        return are_numbers(self.items)

    @property
    def not_numbered(self) -> str:
        return "" if self.numbered else said_of_names(self.items)

    @property
    def classes(self) -> tuple[str, ...]:
        return numbers_as_names(self.items) if self.numbered else super().classes


def said_of_names(items: Iterable[Item]) -> str:
    """What is said where most labels look like numbers and not all are numbers of classes; "" elsewhere."""
    labels = class_names(items)
    otherwise = [label for label in labels if numbers_of(label) is None]
    like_numbers = [label for label in labels if LIKE_A_NUMBER.fullmatch(label)]
    if not otherwise or 2 * len(like_numbers) <= len(labels):
        return ""
    none = "is none" if len(otherwise) == 1 else "are none"
    return f"labels are taken for names, not for numbers of classes (0, 1, 2, …): {_some(otherwise)} {none}"


def said_of_labels(items: Iterable[Item], classes: Sequence[str]) -> list[str]:
    """What was taken for splits and for labels, and which labels the network doesn't know, a line each."""
    items = list(items)
    labels, splits = class_names(items), sorted({item.split for item in items if item.split is not None})
    lines = [f"taken for splits: {_some(splits)}"] if splits else []
    if not labels:
        return [*lines, "no image has a label: no folder, list or column says any"]
    lines.append(f"taken for labels: {_some(labels)}")
    known = set(classes)
    unknown = [label for label in labels if names_of_label(label, known) is None]
    if classes and unknown:
        some = f"{len(unknown):,} of {len(labels):,} labels are none"
        which = some if len(unknown) < len(labels) else "no label is one"
        lines.append(
            f"{which} of the network's {len(classes):,} classes ({_some(classes)}): such images count as "
            "neither right nor wrong; --classes FILE says what the classes are called"
        )
    return lines


def _some(names: Sequence[str]) -> str:
    more = f", … {len(names):,} in all" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def numbers_of(label: str) -> tuple[int, ...] | None:
    """The numbers of classes that a label says, none for -1; None for a label that says anything else."""
    numbers = [NUMBER.fullmatch(name) for name in names_apart(label)]
    if not numbers or not all(numbers):
        return None
    return tuple(int(number[1]) for number in numbers if number and number[1])


def are_numbers(items: Iterable[Item]) -> bool:
    """Whether all labels that there are say numbers of classes, and at least one says one."""
    said = [numbers_of(label) for label in {item.label for item in items} if label is not None]
    return any(said) and None not in said


def numbers_as_names(items: Iterable[Item]) -> tuple[str, ...]:
    """The numbers from 0 to the greatest label, as names of classes in their order."""
    labels = {item.label for item in items if item.label is not None}
    greatest = max(number for label in labels for number in numbers_of(label) or ())
    return tuple(map(str, range(min(greatest, MOST_CLASSES) + 1)))


def named(items: Sequence[Item], classes: Sequence[str]) -> tuple[Item, ...]:
    """Items whose labels are numbers of classes, with the classes' names for labels.

    ValueError for a number that is no class's. They stay as they are where the network has no classes, or
    calls its classes by these very numbers.
    """
    labels = {item.label for item in items if item.label is not None}
    if not classes or labels <= set(classes):
        return tuple(items)
    names = {label: _names(label, classes) for label in labels}
    return tuple(item if item.label is None else replace(item, label=names[item.label]) for item in items)


def _names(label: str, classes: Sequence[str]) -> str | None:
    numbers = numbers_of(label) or ()
    if wrong := [number for number in numbers if number >= len(classes)]:
        raise ValueError(
            f"label {wrong[0]} is no class: labels are numbers from 0, and the network has {len(classes)} "
            f"classes ({classes[0]}, …, {classes[-1]})"
        )
    return LIST_SEPARATOR.join(classes[number] for number in numbers) or None
