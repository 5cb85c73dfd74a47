"""The demo stores, built on the device with the command line, against the same stores of the CPU."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from compute.__main__ import main
from featurestore.files.arrays import matrix
from featurestore.reader import Run, Store
from featurestore.upkeep.verify import verify
from tests.benchmarks.reporting.report import Report, made
from tests.gpu_check.check import Check, apart
from tests.gpu_check.size import Size

STORES = {
    "demo": ("--model", "demo", "--images", "demo"),
    "digits": ("--model", "digits", "--images", "digits"),
    "photographs": tuple(
        "--model efficientnet-lite0 --images photographs --resize 224 --occlusion-stride 42".split()
    ),
}
"""Each store's options, as in the Makefile."""
COMPARED = "activations,neighbors,occlusion"
"""Stages that run on the device."""

FEATURES, CHANNELS, LOGITS = 1e-3, 1e-3, 1e-3
"""Of the features' standard deviation, of a layer's largest value, of the logits' standard deviation: float32
sums that are taken in another order, by Winograd's transforms or by Fourier's."""
PROBABILITY = 1e-3
ACTIVE = 5e-3
"""Of the share of positions above 0: values that are all but 0 change sides."""
DISTANCE = 1e-4
"""Of neighbours, by features that are themselves off by rounding; those by pixels are not."""
MIXED_FEATURES, MIXED_PROBABILITY = 0.25, 0.1
"""Of products of half precision, which have 8 (bfloat16) to 11 (float16) bits."""


def found(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check | Report]:
    """What there is to say of every store."""
    rows = []
    for store in size.stores:
        there = built(store, device, size, folder / f"{store}-device", size.stages)
        again = built(store, device, size, folder / f"{store}-again", size.stages)
        here = built(store, torch.device("cpu"), size, folder / f"{store}-cpu", COMPARED)
        yield Check(f"{store}: kind of device", there.manifest.device != device.type, 0, "wrong")
        faults = [f"{each.where} {each.what}" for each in verify(folder / f"{store}-device")]
        yield Check(f"{store}: faults that verify finds", len(faults), 0, "faults", "; ".join(faults[:3]))
        yield repeated(store, there, again)
        yield from compared(store, there, here)
        yield from mixed(store, device, size, folder, here)
        rows.append([store, f"{there.image_count:,}", *timings(there)])
    yield made(
        "The demo stores", ("store", "images", *STAGE_COLUMNS), rows, ["Seconds of a stage."], device=name
    )


def built(store: str, device: torch.device, size: Size, path: Path, stages: str, *more: str) -> Run:
    """Build a store with the command line, and open it."""
    limit = () if size.limit is None else ("--limit", str(size.limit))
    options = ("--store", str(path), "--device", str(device), "--stages", stages, *limit, *more)
    if main(["store", *STORES[store], *options]) != 0:
        raise ValueError(f"the store {store} could not be built on {device}")
    return Store(path).open()


def repeated(store: str, one: Run, other: Run) -> Check:
    """Whether two builds gave the same files."""
    pair = [{name: entry.sha256 for name, entry in run.manifest.files.items()} for run in (one, other)]
    names = sorted(pair[0].keys() | pair[1].keys())
    changed = [each for each in names if pair[0].get(each) != pair[1].get(each)]
    return Check(f"{store}: built again, same bytes", len(changed), 0, "files", ", ".join(changed))


def compared(store: str, there: Run, here: Run) -> Iterator[Check]:
    """Every table that follows from the network, value by value."""
    yield predictions(f"{store}: predictions that are no ties", there, here, PROBABILITY)
    yield probabilities(f"{store}: probabilities", there, here, PROBABILITY)
    yield features(f"{store}: features", there, here, FEATURES)
    yield from channels(store, there, here)
    yield from neighbors(store, there, here)
    yield from occlusion(store, there, here)
    for table in ("layers", "filters"):
        same = there.table(table).equals(here.table(table))
        yield Check(f"{store}: table {table}", not same, 0, "different")


def mixed(store: str, device: torch.device, size: Size, folder: Path, here: Run) -> Iterator[Check]:
    """The pass in mixed precision against the CPU's in float32, and against itself."""
    runs = [
        built(store, device, size, folder / f"{store}-mixed{number}", "activations", "--precision", "mixed")
        for number in range(2)
    ]
    yield repeated(f"{store}, mixed", *runs)
    yield features(f"{store}, mixed: features", runs[0], here, MIXED_FEATURES)
    yield probabilities(f"{store}, mixed: probabilities", runs[0], here, MIXED_PROBABILITY)
    name = f"{store}, mixed: predictions that are no ties"
    yield predictions(name, runs[0], here, MIXED_PROBABILITY)


def predictions(name: str, there: Run, here: Run, tolerance: float) -> Check:
    """Predictions that differ, but for images whose first two classes are nearly as probable."""
    first, second = (run.table("images", ["predicted", "top5"]).to_pylist() for run in (there, here))
    wrong = [
        number
        for number, (one, other) in enumerate(zip(first, second, strict=True))
        if one["predicted"] != other["predicted"] and not _ties(other["top5"], 2 * tolerance)
    ]
    return Check(name, len(wrong), 0, "images", f"of {len(second):,}")


def _ties(top: list[dict] | None, margin: float) -> bool:
    return top is not None and top[0]["probability"] - top[1]["probability"] <= margin


def probabilities(name: str, there: Run, here: Run, tolerance: float) -> Check:
    """Of the five most probable classes of each image, by rank."""
    pair = (_floats(pc.list_flatten(run.table("images", ["top5"])["top5"])) for run in (there, here))
    return Check(name, apart(*pair), tolerance, "")


def _floats(entries: pa.ChunkedArray) -> np.ndarray:
    return pc.struct_field(entries, "probability").to_numpy()


def features(name: str, there: Run, here: Run, tolerance: float) -> Check:
    first, second = (matrix(run.table("features", ["feature"])["feature"]) for run in (there, here))
    return Check(name, apart(first, second, float(np.nanstd(second))), tolerance, "std")


def channels(store: str, there: Run, here: Run) -> Iterator[Check]:
    """Each layer's statistics by its largest value; the strongest images by their values."""
    first, second = (run.table("channels").to_pandas() for run in (there, here))
    largest = second.groupby("layer")["max"].transform(lambda values: values.abs().max())
    for column, scale, at_most, unit in (
        ("max", largest, CHANNELS, "of the layer's largest"),
        ("mean", largest, CHANNELS, "of the layer's largest"),
        ("active_share", 1.0, ACTIVE, ""),
    ):
        off = apart(first[column] / scale, second[column] / scale)
        yield Check(f"{store}: channels, {column}", off, at_most, unit)
    patches = (run.table("top_patches", ["layer", "value"]).to_pandas() for run in (there, here))
    most = second.groupby("layer")["max"].max()
    pair = (each["value"] / each["layer"].map(most) for each in patches)
    yield Check(f"{store}: strongest images' values", apart(*pair), CHANNELS, "of the layer's largest")


def neighbors(store: str, there: Run, here: Run) -> Iterator[Check]:
    """Distances by rank: among neighbours that are equally far, rounding has its say who is first."""
    pair = [run.table("neighbors", ["space", "distance"]).to_pandas() for run in (there, here)]
    for space in ("feature", "pixel"):
        distances = (each[each["space"] == space]["distance"].to_numpy() for each in pair)
        yield Check(f"{store}: {space} neighbours' distances", apart(*distances), DISTANCE, "")


def occlusion(store: str, there: Run, here: Run) -> Iterator[Check]:
    """Maps of those images whose predicted class is the same: another one is a tie, or has failed above."""
    pair = [run.table("occlusion").to_pandas() for run in (there, here)]
    same = (pair[0]["target"] == pair[1]["target"]).to_numpy()
    for column, at_most in (("probability", PROBABILITY), ("logit", LOGITS)):
        maps = [np.concatenate(each[column][same].to_list()) for each in pair]
        scale, unit = (float(maps[1].std()), "std") if column == "logit" else (1.0, "")
        yield Check(f"{store}: occlusion, {column}", apart(*maps, scale), at_most, unit)


STAGE_COLUMNS = ("activations s", "activations images/s", "neighbours s", "occlusion s")


def timings(run: Run) -> list[float]:
    """Seconds of the stages that run on the device."""
    taken = {name: max(seconds, 0.01) for name, seconds in run.manifest.notes["timings"].items()}
    return [
        taken["activations"],
        run.image_count / taken["activations"],
        taken["neighbors"],
        taken["occlusion"],
    ]
