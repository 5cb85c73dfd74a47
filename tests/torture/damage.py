"""Flipped bits, cut and zeroed files: noticed by the reader, who names the place, and by `verify`."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from featurestore.errors import Damaged
from featurestore.layout import CURRENT, MANIFEST, parse_shard_file
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from tests.torture.outcome import Outcome
from tests.torture.stores import FORKS, contents, write

BLOCK = 4096

Change = tuple[str, str, int, bytes]
"""File, what is done, the first byte that changes, the file's bytes afterwards."""


def flips(work: Path, number: int, seed: int = 0) -> Outcome:
    """Single bits anywhere in the store, each file as often as its size says."""
    return _tortured(work, "flipped bits", _flips, number, seed)


def cuts(work: Path, stride: int = 1) -> Outcome:
    """Each file cut at every 4 KiB and before its last byte."""
    return _tortured(work, "cut files", _cuts, stride)


def zeros(work: Path, stride: int = 1) -> Outcome:
    """Each block of 4 KiB of each file zeroed."""
    return _tortured(work, "zeroed blocks", _zeros, stride)


def _tortured(work, what, changes, *arguments):
    workers = os.cpu_count()
    with FORKS.Pool(workers) as pool:
        parts = pool.starmap(
            _apply, [(work / f"part{part}", changes, arguments, part, workers) for part in range(workers)]
        )
    failures = tuple(failure for _, found in parts for failure in found)
    tried = sum(number for number, _ in parts)
    return Outcome(what, tried, failures, "Noticed by the reader, with the place, and by verify.")


def _apply(path, changes, arguments, part, parts):
    write(path)
    places = {name: _places(path / name) for name in contents(path)}
    tried, failures = 0, []
    for number, (name, done, first, data) in enumerate(changes(contents(path), *arguments)):
        if number % parts == part:
            tried += 1
            faults = _faults(path, name, places[name](first, data), data)
            failures += [f"{name}, {done}: {fault}" for fault in faults]
    return tried, failures


def _flips(files: dict[str, bytes], number: int, seed: int) -> Iterator[Change]:
    dice, names = random.Random(seed), sorted(files)
    for name in dice.choices(names, [len(files[name]) for name in names], k=number):
        data = bytearray(files[name])
        bit = dice.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        yield name, f"bit {bit} flipped", bit // 8, bytes(data)


def _cuts(files: dict[str, bytes], stride: int) -> Iterator[Change]:
    places = [
        (name, cut)
        for name, data in sorted(files.items())
        for cut in sorted({*range(0, len(data), BLOCK), len(data) - 1})
    ]
    for name, cut in places[::stride]:
        yield name, f"cut to {cut} bytes", cut, files[name][:cut]


def _zeros(files: dict[str, bytes], stride: int) -> Iterator[Change]:
    places = [(name, start) for name, data in sorted(files.items()) for start in range(0, len(data), BLOCK)]
    for name, start in places[::stride]:
        whole = files[name]
        data = whole[:start] + bytes(len(whole[start : start + BLOCK])) + whole[start + BLOCK :]
        if data != whole:
            first = next(at for at in range(start, len(whole)) if data[at] != whole[at])
            yield name, f"zeroed from {start}", first, data


def _faults(path, name, place, data):
    file = path / name
    whole = file.read_bytes()
    file.write_bytes(data)
    try:
        noticed = _noticed(path, file.name)
        if file.name not in noticed or place not in noticed:
            yield f"the reader said {noticed!r}, not {file.name} and {place!r}"
        if not any(file.name in finding.where for finding in verify(path)):
            yield "verify did not find it"
    finally:
        file.write_bytes(whole)


def _noticed(path, name):
    """What the reader says of the file; it must go on with the tables that are not damaged."""
    try:
        run = Store(path).open()
        victim, _ = parse_shard_file(name)
        for table in run.tables():
            if table != victim:
                run.table(table)
        run.table(victim)
    except Damaged as error:
        return str(error)
    except ValueError as error:
        return str(error) if name == CURRENT else ""
    return ""


def _places(file: Path) -> Callable[[int, bytes], str]:
    """What the reader must say for a file whose first changed byte is this one."""
    if file.name in (CURRENT, MANIFEST):
        return lambda first, data: file.name
    whole = file.read_bytes()
    metadata = pq.read_metadata(file)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    starts = [min(_start(group.column(leaf)) for leaf in range(group.num_columns)) for group in groups]
    footer = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8

    def place(first, data):
        if data[footer:] != whole[footer:] or first < starts[0]:
            return "the footer"
        return f"row group {max(index for index, start in enumerate(starts) if start <= first)}"

    return place


def _start(chunk):
    return min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
