"""How fast the device is, by the CPU's benchmarks; each compares values before it takes time."""

from collections.abc import Iterator
from pathlib import Path

import torch

from tests.benchmarks import live, occlusion, one_pass
from tests.benchmarks.reporting.report import Report, made, waiting_for
from tests.gpu_check.check import Check
from tests.gpu_check.size import Size

MIXED = 0.25
"""Of the features' standard deviation: products of half precision."""
EACH = "one image of 224x224, random weights"


def the_pass(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check | Report]:
    """Images a second, and the bare forward's share of that."""
    photos = one_pass.Photos(size.images)
    pictures, rows = one_pass.random_pictures(photos), []
    for network in named(size, one_pass.NETWORKS):
        row, _ = one_pass.compared(network, photos, pictures, size.rounds, waiting_for(device), device)
        found = dict(zip(one_pass.COLUMNS, row, strict=True))
        off, half = found["error / std"], found["mixed error / std"]
        yield Check(f"pass of {network}: features, by plain PyTorch", off, one_pass.tolerance(device), "std")
        yield Check(f"pass of {network}: features in mixed precision", half, MIXED, "std")
        rows.append([*row, 1000 / found["pass ms"], 1000 / found["mixed pass ms"]])
    columns = (*one_pass.COLUMNS, "images/s", "mixed images/s")
    notes = [f"Medians of {size.rounds} alternating rounds over {size.images} decoded images of 224x224."]
    yield made("The one pass", columns, rows, notes, device=name)


def live_steps(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check | Report]:
    """A step of saliency, of PGD and of a dream."""
    rows = []
    for network in named(size, tuple(live.MIDDLE)):
        row, more = live.compared(network, size.rounds, waiting_for(device), device)
        yield Check(f"gradients of {network}, by plain PyTorch", more["error"], live.TOLERANCE, "of the norm")
        rows.append(row)
    notes = [f"Medians of {size.rounds} alternating rounds, {EACH}."]
    yield made("Live methods", live.COLUMNS, rows, notes, device=name)


def occlusion_maps(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check | Report]:
    """A map against the dense loop's and Captum's."""
    rows = []
    for network in named(size, tuple(occlusion.ROUNDS)):
        row, _ = occlusion.compared(network, waiting_for(device), device, size.stride, size.rounds)
        found = dict(zip(occlusion.COLUMNS, row, strict=True))
        off = float(found["error / std of logits"])
        yield Check(
            f"occlusion of {network}: logits, by plain PyTorch", off, one_pass.tolerance(device), "std"
        )
        rows.append(row)
    notes = [f"Medians (least-most) of {size.rounds} alternating rounds, {EACH}, stride {size.stride}."]
    if not occlusion.HAS_CAPTUM:
        notes.append("Captum is not installed.")
    yield made("Occlusion maps", occlusion.COLUMNS, rows, notes, device=name)


def named(size: Size, known: tuple[str, ...]) -> list[str]:
    """The networks that a benchmark knows, of those that are measured."""
    return [each for each in size.networks if each in known]
