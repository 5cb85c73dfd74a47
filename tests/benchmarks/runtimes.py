"""Whether another runtime is faster: our folded PyTorch program against ONNX Runtime and OpenVINO.

    bare    class scores alone
    read    class scores, and `map_statistics` of every layer's maps, as the pass wants them

The same batches, random weights, 224x224, the same number of threads; scores are compared before time is
taken, and runs alternate in one process. Neither runtime is a requirement:

    pip install onnxruntime openvino onnx onnxscript
    python -m tests.benchmarks.runtimes [NETWORK ...] [--write]
"""

import argparse
import io
import statistics

import numpy as np
import onnxruntime
import openvino
import torch
from torch import nn

from compute.network.folded import channels_last
from compute.network.layers.streamed import reading_program
from compute.network.traced import LOGITS, TracedNetwork
from compute.pipeline.stages.feature_map_statistics import map_statistics
from tests.benchmarks.one_pass import CLOCKS, CPU, NETWORKS, a_model, a_module, tolerance
from tests.benchmarks.reporting import report

COLUMNS = ("network", "runtime", "bare ms an image", "read ms", "PyTorch / it, bare", "PyTorch / it, read")
BATCH, BATCHES = 8, 4


class Sites(nn.Module):
    """A network's scores and maps as one tuple, in the order of `sites`."""

    def __init__(self, module: nn.Module, example: torch.Tensor, sites: tuple[str, ...]):
        super().__init__()
        self.module, self.sites = module, sites
        self.network = TracedNetwork(module, example)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values = self.network.run(images, self.sites)
        return tuple(values[site] for site in self.sites)


def in_pytorch(model, sites):
    program = reading_program(model.network, sites[1:], map_statistics)
    return lambda images: program(channels_last(images))[LOGITS]


def in_onnxruntime(module: Sites, example: torch.Tensor):
    exported = torch.onnx.export(module, (example,), dynamo=True, verbose=False)
    buffer = io.BytesIO()
    exported.save(buffer)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: read(session.run(None, {name: images.numpy()}))


def in_openvino(module: Sites, example: torch.Tensor):
    core = openvino.Core()
    converted = openvino.convert_model(module, example_input=example, input=list(example.shape))
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(converted, "CPU", settings).create_infer_request()

    def run(images: torch.Tensor) -> torch.Tensor:
        values = request.infer([images.numpy()], share_inputs=True, share_outputs=True)
        return read([values[index] for index in range(len(module.sites))])

    return run


def read(values: list[np.ndarray]) -> torch.Tensor:
    """The scores, after the statistics of all maps behind them."""
    for value in values[1:]:
        map_statistics(torch.from_numpy(value))
    return torch.from_numpy(values[0])


def compared(name: str, rounds: int, clock) -> tuple[list[list], dict]:
    """One network's rows of the table, and its raw times."""
    module = a_module(name)
    model = a_model(name, module)
    generator = torch.Generator().manual_seed(0)
    batches = torch.randn(BATCHES, BATCH, 3, 224, 224, generator=generator).unbind()
    made = {}
    for kind, sites in (("bare", (LOGITS,)), ("read", (LOGITS, *model.layers))):
        wanted = Sites(module, batches[0], sites).eval()
        made[f"PyTorch {kind}"] = in_pytorch(model, sites)
        made[f"ONNX Runtime {kind}"] = in_onnxruntime(wanted, batches[0])
        made[f"OpenVINO {kind}"] = in_openvino(wanted, batches[0])
    with torch.inference_mode():
        expected = module(batches[0])
        for way, run in made.items():
            if (error := float((run(batches[0]) - expected).abs().max() / expected.std())) > tolerance(CPU):
                raise ValueError(f"{name} in {way}: the scores differ by {error:.1e} standard deviations")
        runs = {way: (lambda run=run: [run(batch) for batch in batches]) for way, run in made.items()}
        taken = report.alternately(runs, rounds, clock)
    return [_row(name, runtime, taken) for runtime in ("PyTorch", "ONNX Runtime", "OpenVINO")], taken


def _row(name: str, runtime: str, taken: dict[str, list[float]]) -> list:
    times = [taken[f"{runtime} {kind}"] for kind in ("bare", "read")]
    milliseconds = [1000 * statistics.median(each) / (BATCH * BATCHES) for each in times]
    ratios = [
        statistics.median(ours / theirs for ours, theirs in zip(taken[f"PyTorch {kind}"], each, strict=True))
        for kind, each in zip(("bare", "read"), times, strict=True)
    ]
    return [name, runtime, *milliseconds, *ratios]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others share the machine")
    parser.add_argument("--write", action="store_true", help="keep the result in results/runtimes.json")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows, details = [], {}
    for name in chosen.networks:
        some, details[name] = compared(name, chosen.rounds, CLOCKS[chosen.clock])
        rows += some
        for row in some:
            print(*(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row), sep="  ", flush=True)
    note = (
        f"Medians of {chosen.rounds} alternating rounds over {BATCH * BATCHES} images in batches of {BATCH}, "
        f"{chosen.clock} time; onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__}."
    )
    if chosen.write:
        report.write("runtimes", "Other runtimes", COLUMNS, rows, [note], details)


if __name__ == "__main__":
    main()
