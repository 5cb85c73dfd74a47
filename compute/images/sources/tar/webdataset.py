"""WebDataset's convention: files of one name, up to its first dot, are a sample: 1.jpg, 1.cls, 1.json.

The class stands in `.cls` (its number or name) or in the `.json` (label, cls or class), where split and
further columns may stand too. Members of any other kind (`.pyd`, `.pth`, …) are never
read, but for the first bytes of those whose ending says nothing.
"""

import itertools
import json
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compute.images.sources.items import Item
from compute.images.sources.labels import LIST_SEPARATOR
from compute.images.sources.lists.column_names import COLUMN_RULE, MOST_COLUMNS, is_column_name
from compute.images.sources.tar.index import Member, read_member
from compute.runtime.notices import notice

CLASS, FACTS = "cls", "json"
FACTS_OF_IMAGES = (f".{CLASS}", f".{FACTS}")
"""Endings of files that say what others are."""

MAX_FACTS = 2**16
"""Bytes of what is said of one image."""

LABEL_KEYS, SPLIT_KEY = ("label", "cls", "class"), "split"


@dataclass(frozen=True)
class Facts:
    """What is said of one image. values: further columns by their names."""

    label: str | None = None
    split: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def facts_of(archive: str, found: Mapping[str, Member], images: Container[str]) -> dict[str, Facts]:
    """What an archive says of its images, by the sample's name; empty where it is no WebDataset.

    images: names of those of its files that are images. ValueError for what can't be understood.
    """
    samples = {sample_of(name)[0] for name in found if name in images}
    said: dict[str, Facts] = {}
    for name, member in found.items():
        sample, kind = sample_of(name)
        if kind not in (CLASS, FACTS) or sample not in samples:
            continue
        if member.problem is not None or member.size > MAX_FACTS:
            raise ValueError(f"{archive}: {name} {member.problem or f'is larger than {MAX_FACTS:,} bytes'}")
        before = said.get(sample, Facts())
        try:
            text = read_member(archive, member).decode()
            said[sample] = (
                replace(before, label=_label(text.strip())) if kind == CLASS else _of_json(before, text)
            )
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{archive}: {name} can't be understood: {error}") from error
    return said


def sample_of(name: str) -> tuple[str, str]:
    """The sample that a file belongs to, and which part of it the file is."""
    folder, slash, file = name.rpartition("/")
    sample, _, kind = file.partition(".")
    return folder + slash + sample, kind.lower()


def images_of_samples(found: Iterable[str], images: Container[str]) -> list[str]:
    """The images of an archive's samples: of several in one, those without a further word in their name."""
    of_sample: dict[str, list[str]] = {}
    for name in found:
        if name in images:
            of_sample.setdefault(sample_of(name)[0], []).append(name)
    kept = [
        [name for name in names if "." not in sample_of(name)[1]] or names for names in of_sample.values()
    ]
    together = list(itertools.chain.from_iterable(kept))
    if others := set(itertools.chain.from_iterable(of_sample.values())) - set(together):
        notice(f"{len(others)} images left out whose sample has another one, such as {min(others)}")
    return together


def with_facts(item: Item, facts: Facts | None, columns: Sequence[str], labelled: bool) -> Item:
    """An image with what is said of it; what isn't said of any image, its folder says.

    labelled: whether a label is said of any.
    """
    facts = facts or Facts()
    values = tuple(facts.values.get(name) for name in columns)
    return Item(item.path, facts.label if labelled else item.label, facts.split or item.split, values)


def _of_json(before: Facts, text: str) -> Facts:
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("it is no object")
    label = next((_label(said[key]) for key in LABEL_KEYS if said.get(key) is not None), before.label)
    split = said.get(SPLIT_KEY)
    split = _clean(split) if isinstance(split, str) else ""
    values = {
        key: value
        for key, each in said.items()
        if key not in (*LABEL_KEYS, SPLIT_KEY) and (value := _value(each)) is not None
    }
    return Facts(label, split or before.split, values)


def _label(said: Any) -> str | None:
    if isinstance(said, list):
        return LIST_SEPARATOR.join(filter(None, map(_label, said))) or None
    if isinstance(said, bool) or not isinstance(said, str | int):
        raise ValueError(f"{str(said)[:40]!r} is no class: it must be a number or a name, or a list of them")
    return _clean(str(said)) or None


def _value(said: Any) -> str | None:
    """A text, number or truth value as text; None for anything else."""
    if isinstance(said, bool):
        return str(said).lower()
    if said != said:  # NaN
        return None
    return sys.intern(_clean(str(said))) or None if isinstance(said, str | int | float) else None


def _clean(text: str) -> str:
    """A text without spaces around it; ValueError for half a letter, which JSON can say (\\ud800)."""
    text.encode()
    return text.strip()


def columns_of(facts: Iterable[Facts], where: str) -> tuple[str, ...]:
    """Names of what is said of images beside label and split, sorted."""
    names = sorted({name for each in facts for name in each.values})
    good = [name for name in names if is_column_name(name)][:MOST_COLUMNS]
    if len(good) < len(names):
        notice(f"{where}: columns left out, such as {min({*names} - {*good})!r}: {COLUMN_RULE}")
    return tuple(good)
