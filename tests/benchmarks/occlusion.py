"""Occlusion maps: ours against Captum's `Occlusion` and against a dense batched loop.

The same work for all: one image of 224x224, patch 32, stride 16, random weights. The dense loop is our own
fallback, at its best batch: batch norms folded, channels last. Captum runs at its best batch as well. Results
are checked for equality before time is taken; runs alternate in one process, warm.

    python -m tests.benchmarks.occlusion [--threads N] [--clock wall|cpu] [NETWORK ...]   # writes
    results/occlusion.json
"""

import argparse
import statistics
from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter, process_time

import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.models.architectures.efficientnet_lite0 import efficientnet_lite0
from compute.models.model import Model
from compute.models.naming import EFFICIENTNET_LITE0, RANDOM
from compute.occlusion.incremental import IncrementalInference, folded_logits
from compute.occlusion.maps import windows
from compute.occlusion.passes import DensePass, IncrementalPass, ProvedPass, choose_pass, every_logit
from compute.runtime.vision import models
from tests.benchmarks.one_pass import CPU, tolerance
from tests.benchmarks.reporting.report import RESULTS, alternately, load, read, seconds, spread, write

SIZE, PATCH, STRIDE, TARGET = 224, 32, 16, 3
ROUNDS = {
    "vgg16": 2,
    "squeezenet1_1": 5,
    "resnet18": 5,
    "mobilenet_v3_small": 5,
    "mobilenet_v2": 3,
    "regnet_y_400mf": 3,
    "densenet121": 2,
    "convnext_tiny": 2,
    EFFICIENTNET_LITE0: 3,
}
BATCHES = {False: (4, 8, 16), True: (16, 64, 256)}
"""Among which the best is looked for, on a CPU and on a GPU."""
SAMPLE = 2
"""Of the windows along each axis, every second finds the best batch."""

COLUMNS = (
    "224x224, patch 32, stride 16",
    "ours, s",
    "dense loop, s",
    "Captum, s",
    "dense / ours",
    "Captum / ours",
    "limit by multiply-adds",
    "way",
    "error / std of logits",
)
HAS_CAPTUM = find_spec("captum") is not None
ABSENT = "–"
"""In the row of a comparison without Captum."""
CLOCKS = {"wall": perf_counter, "cpu": process_time}
CLOCK_NAMES = {"wall": "wall time", "cpu": "CPU time of the process, since others used the machine too"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(ROUNDS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    if not HAS_CAPTUM:
        parser.error("Captum is not installed: pip install -r requirements.txt -c constraints.txt")
    torch.set_num_threads(args.threads)
    measured = {}
    for name in args.networks:
        row, taken = compared(name, CLOCKS[args.clock])
        measured[name] = {"row": row, "load": load(), "clock": args.clock, "seconds": taken}
        print(*row, f"load {load():.1f}", sep="  ", flush=True)
        keep(measured)


def keep(measured: dict[str, dict]) -> None:
    """Writes the result; networks that were not measured now keep their last row."""
    path = RESULTS / "occlusion.json"
    earlier = dict(read("occlusion").details) if path.exists() else {}
    details = {name: {**earlier, **measured}[name] for name in ROUNDS if name in {**earlier, **measured}}
    clocks = sorted({CLOCK_NAMES[each["clock"]] for each in details.values()})
    rounds = sorted({len(each["seconds"]["ours"]) for each in details.values()})
    notes = [
        f"Medians (least-most) of {' or '.join(map(str, rounds))} alternating runs, random",
        f"weights, {' and '.join(clocks)}; the dense loop has folded batch norms and channels last; it and",
        "Captum run at their best batch of several.",
    ]
    if missing := [name for name in ROUNDS if name not in details]:
        notes.append(f"Not measured yet: {', '.join(missing)}.")
    rows = [each["row"] for each in details.values()]
    mean_load = statistics.mean(each["load"] for each in details.values())
    write("occlusion", "Occlusion maps", COLUMNS, rows, notes, details, load=mean_load)


def compared(
    name: str,
    clock: Callable[[], float],
    device: torch.device = CPU,
    stride: int = STRIDE,
    rounds: int | None = None,
) -> tuple[list[str | float], dict]:
    """One network's row of the table, and its times; without Captum where it isn't installed.

    clock: see `report.waiting_for`
    stride: of which SIZE - PATCH is a multiple
    rounds: the network's own of `ROUNDS` where left out
    """
    torch.manual_seed(0)
    module = network(name)
    image, starts = torch.randn(1, 3, SIZE, SIZE).to(device), windows(SIZE, PATCH, stride)
    model = Model(
        module, Preprocessing((SIZE, SIZE), None, (0, 0, 0), (1, 1, 1)), map(str, range(1000)), name, device
    )
    way = choose_pass(model, (SIZE, SIZE), (starts, starts), PATCH)
    loop = best_dense(model, image, starts, clock)
    expected, found = one_by_one(model, image, starts), logits(way, image, len(starts))
    error = ((found - expected).abs().max() / expected.std()).item()
    if error > tolerance(device):
        raise ValueError(f"{name}: logits differ by {error:.1e} of their std")
    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: logits(way, image, len(starts)),
        "dense": lambda: logits(loop, image, len(starts)),
    }
    batch = best_captum(module, image, stride, clock) if HAS_CAPTUM else None
    if batch is not None:
        spread_out = attribution(module(image)[0, TARGET].cpu() - expected[0, :, :, TARGET], starts)
        theirs = captum(module, image, batch, stride)[0, 0].cpu()
        if (off := float((theirs - spread_out).abs().max() / expected.std())) > tolerance(device):
            raise ValueError(f"{name}: Captum's logits differ by {off:.1e} of their std")
        runs["captum"] = lambda: captum(module, image, batch, stride)
    taken = alternately(runs, rounds or ROUNDS.get(name, 3), clock)
    ours, dense, *peer = (statistics.median(each) for each in taken.values())
    quick = way.quick if isinstance(way, ProvedPass) else way
    limit = 1 / quick.inference.share if isinstance(quick, IncrementalPass) else 1.0
    said = way.way.split()[0].rstrip(",")
    spreads, beyond = [spread(each) for each in taken.values()], [each / ours for each in peer]
    absent = [] if peer else [ABSENT]
    row = [name, *spreads, *absent, dense / ours, *beyond, *absent, limit, said, f"{error:.1e}"]
    return row, {**taken, "captum_batch": batch, "dense_batch": loop.batch, "way": way.way}


def network(name: str) -> nn.Module:
    """One of torchvision's, or EfficientNet-Lite0, in eval mode."""
    if name == EFFICIENTNET_LITE0:
        return efficientnet_lite0(RANDOM, seed=0).module.eval()
    return models.get_model(name, weights=None).eval()


def logits(way: IncrementalPass | DensePass, image: torch.Tensor, count: int) -> torch.Tensor:
    with torch.inference_mode():
        return every_logit(way, image, image.new_zeros(1, 3, 1, 1), (count, count))


def one_by_one(model: Model, image: torch.Tensor, starts: tuple[int, ...]) -> torch.Tensor:
    """(rows, cols, classes) of the untouched module, one window after the other."""
    scores = []
    with torch.inference_mode():
        for y in starts:
            for x in starts:
                hidden = image.clone()
                hidden[:, :, y : y + PATCH, x : x + PATCH] = 0
                scores.append(model.module(hidden)[0].cpu())
    return torch.stack(scores).unflatten(0, (len(starts), len(starts)))[None]


def attribution(drops: torch.Tensor, starts: tuple[int, ...]) -> torch.Tensor:
    """Captum's form of the map: every pixel has the mean drop of the windows that cover it; (H, W)."""
    total, covered = torch.zeros(2, SIZE, SIZE)
    for y, row in zip(starts, drops, strict=True):
        for x, drop in zip(starts, row, strict=True):
            total[y : y + PATCH, x : x + PATCH] += drop
            covered[y : y + PATCH, x : x + PATCH] += 1
    return total / covered


def best_dense(
    model: Model, image: torch.Tensor, starts: tuple[int, ...], clock: Callable[[], float]
) -> DensePass:
    """Our dense loop over all windows, at the batch that is quickest for some of them."""
    program = IncrementalInference(model.network, starts, starts, PATCH).program

    def loop(starts: tuple[int, ...], batch: int) -> DensePass:
        stages = [[(tuple(range(len(starts))),) * 2]]
        return DensePass(
            lambda images: folded_logits(program, images), (starts, starts), PATCH, stages, batch, "asked"
        )

    some = starts[::SAMPLE]
    batches = BATCHES[image.device.type != "cpu"]
    return loop(starts, quickest(batches, lambda batch: logits(loop(some, batch), image, len(some)), clock))


def best_captum(module: torch.nn.Module, image: torch.Tensor, stride: int, clock: Callable[[], float]) -> int:
    batches = (1, *BATCHES[image.device.type != "cpu"])
    return quickest(batches, lambda batch: captum(module, image, batch, min(SAMPLE * stride, PATCH)), clock)


def quickest(batches: tuple[int, ...], work: Callable[[int], object], clock: Callable[[], float]) -> int:
    """The batch that takes the least time, once everything is warm."""
    work(batches[0])
    return min(batches, key=lambda batch: seconds(lambda: work(batch), clock))


def captum(module: torch.nn.Module, image: torch.Tensor, batch: int, stride: int) -> torch.Tensor:
    """Captum's map of one class; SIZE - PATCH is a multiple of the stride, so its windows are ours."""
    from captum.attr import Occlusion

    with torch.inference_mode():
        return Occlusion(module).attribute(
            image, (3, PATCH, PATCH), (3, stride, stride), target=TARGET, perturbations_per_eval=batch
        )


if __name__ == "__main__":
    main()
