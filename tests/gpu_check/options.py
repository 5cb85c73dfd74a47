"""What might pay on a GPU: each way beside the one it would replace.

Nothing is switched by this; it is here so that somebody who has measured can say what to switch.

    channels last   the folded network's weights and images in that order: how it runs
    compiled        the same program by torch.compile: not how it runs
    CUDA graph      a whole occlusion map, or a bare forward of one image, as one graph: not how it runs
    begun ahead     the pass with every batch copied and begun before the one before is read: how it runs
    batch of 64     the pass with that many images at once, whatever its maps take: not how it runs
"""

import copy
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, fx

from compute.models.model import Model
from compute.network.folded import channels_last
from compute.network.traced import LOGITS
from compute.network.tracing import executable
from compute.occlusion.incremental import IncrementalInference
from compute.occlusion.maps import windows
from compute.pipeline.stages.activations import OnePass, pass_batch
from tests.benchmarks.occlusion import PATCH
from tests.benchmarks.one_pass import NETWORKS, a_model, a_module, tolerance
from tests.benchmarks.reporting import report
from tests.gpu_check.check import NOT_MEASURED, Check, apart
from tests.gpu_check.size import Size

COLUMNS = ("network", "with", "instead of", "ms", "ms with it", "times as fast", "why not")
SWITCHED = "Channels last and batches begun ahead are how it runs; the others are off until measured."
LARGE_BATCH = 64
WARM = 3
"""Runs before a capture."""

Run = Callable[[], Tensor]
"""Gives class scores."""


@dataclass(frozen=True)
class Option:
    """Two ways to the same class scores.

    name, run: the one that might pay
    usual, usual_run: the one that it would replace
    """

    name: str
    usual: str
    run: Run
    usual_run: Run


def found(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check | report.Report]:
    """Each option of each network: equal scores, and both times."""
    rows = []
    for network in (each for each in size.networks if each in NETWORKS):
        model = a_model(network, a_module(network), device)
        for label, make in OPTIONS.items():
            try:
                option = make(model, size)
                row, off = measured(network, option, size, device)
            except Exception as error:
                if label not in MAY_BE_IMPOSSIBLE:
                    raise
                rows.append([network, label, "", *["–"] * 3, " ".join(str(error).split())[:200]])
                continue
            rows.append(row)
            yield Check(f"{label} of {network}: scores", off, tolerance(device), "std")
    notes = [f"Medians of {size.rounds} alternating rounds, random weights, 224x224. {SWITCHED}"]
    yield report.made("What might pay", COLUMNS, rows, notes, device=name)


def measured(network: str, option: Option, size: Size, device: torch.device) -> tuple[list, float]:
    """A row of the table, and how far the scores are apart, in standard deviations."""
    with torch.inference_mode():
        expected, given = (each().float().cpu().numpy() for each in (option.usual_run, option.run))
        off = apart(given, expected, float(expected.std()) or NOT_MEASURED)
        ways = {"usual": option.usual_run, "other": option.run}
        taken = report.alternately(ways, size.rounds, report.waiting_for(device))
    usual, other = (1000 * statistics.median(each) for each in taken.values())
    return [network, option.name, option.usual, usual, other, usual / other, ""], off


def in_channels_last(model: Model, size: Size) -> Option:
    images = noise(model, pass_batch(model))
    usual, other = program(model), program(model)
    usual = copy.deepcopy(usual).to(memory_format=torch.contiguous_format)
    ordered = channels_last(images)
    return Option("channels last", "contiguous", lambda: other(ordered), lambda: usual(images.contiguous()))


def compiled(model: Model, size: Size) -> Option:
    images, usual = channels_last(noise(model, pass_batch(model))), program(model)
    quick = torch.compile(usual, backend=size.compiler, dynamic=False)
    return Option(f"compiled by {size.compiler}", "as it is", lambda: quick(images), lambda: usual(images))


def graph_of_a_forward(model: Model, size: Size) -> Option:
    image, usual = channels_last(noise(model, 1)), program(model)
    replay = captured(lambda: usual(image), model.device)
    return Option("CUDA graph of one image", "as it is", replay, lambda: usual(image))


def graph_of_a_map(model: Model, size: Size) -> Option:
    """All of the windows' passes as one graph: their gathers read fixed places of memory."""
    image, starts = noise(model, 1), windows(model.input_size[0], PATCH, size.stride)
    inference = IncrementalInference(model.network, starts, starts, PATCH)
    hidden = image.new_zeros(1, model.in_channels, 1, 1)

    def run() -> Tensor:
        parts = chain.from_iterable(inference.batches(image, hidden))
        return torch.cat([scores.flatten(0, 2) for *_, scores in parts])

    return Option("CUDA graph of an occlusion map", "as it is", captured(run, model.device), run)


def begun_ahead(model: Model, size: Size) -> Option:
    one_pass = OnePass(model, pass_batch(model))
    batches = host_batches(model, one_pass.batch, size)

    def ahead() -> Tensor:
        begun = (one_pass.begun(each) for each in batches)
        pairs = pairwise(chain(begun, [None]))
        return joined([one_pass.finished(first) for first, _ in pairs])

    def one_by_one() -> Tensor:
        return joined([one_pass.values(each) for each in batches])

    return Option("pass, batches begun ahead", "one after the other", ahead, one_by_one)


def in_large_batches(model: Model, size: Size) -> Option:
    passes = [OnePass(model, batch) for batch in (pass_batch(model), LARGE_BATCH)]
    runs = []
    for each in passes:
        batches = host_batches(model, each.batch, size)
        runs.append(lambda each=each, batches=batches: joined([each.values(one) for one in batches]))
    usual, other = passes[0].batch, passes[1].batch
    return Option(f"pass, batch of {other}", f"batch of {usual}", runs[1], runs[0])


OPTIONS: dict[str, Callable[[Model, Size], Option]] = {
    "channels last": in_channels_last,
    "compiled": compiled,
    "CUDA graph of one image": graph_of_a_forward,
    "CUDA graph of an occlusion map": graph_of_a_map,
    "pass, batches begun ahead": begun_ahead,
    "pass, large batches": in_large_batches,
}


MAY_BE_IMPOSSIBLE = ("compiled", "CUDA graph of one image", "CUDA graph of an occlusion map")
"""Of some compiler, driver or network; the table says why. The others have to run."""


def captured(run: Run, device: torch.device) -> Run:
    """`run` as a CUDA graph: the same kernels, launched at once. RuntimeError where it can't be captured."""
    if device.type != "cuda":
        raise NotImplementedError("CUDA has graphs alone")
    apart_from = torch.cuda.Stream(device)
    apart_from.wait_stream(torch.cuda.current_stream(device))
    with torch.inference_mode():
        with torch.cuda.stream(apart_from):
            for _ in range(WARM):
                run()
        torch.cuda.current_stream(device).wait_stream(apart_from)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            scores = run()

    def replay() -> Tensor:
        graph.replay()
        return scores

    return replay


def program(model: Model) -> fx.GraphModule:
    """The folded network as a module of plain layers, from normalised images to class scores."""
    network = model.network
    graph, nodes = network.copied({LOGITS})
    graph.output(nodes[LOGITS])
    return executable(graph, dict(network.modules), network.tensors)


def noise(model: Model, number: int) -> Tensor:
    """Normalised images (number, C, H, W) on the model's device."""
    shape = (number, model.in_channels, *model.input_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(model.device)


def host_batches(model: Model, batch: int, size: Size) -> tuple[Tensor, ...]:
    """Crops on the host, the last batch as it comes."""
    shape = (size.images, model.in_channels, *model.input_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).split(batch)


def joined(values: list) -> Tensor:
    return torch.from_numpy(np.concatenate([each.logits for each in values]))
