"""Live methods' steps against the bare forward, and against PyTorch as a notebook would write it.

    saliency   the gradient of a class's score with respect to one image, over a bare forward of it
    PGD        one step of projected gradient descent at the scores
    dream      one DeepDream step, half the squared norm of a layer in the middle

Naive PyTorch: torchvision's eager network with hooks, its parameters requiring gradients as they do when it
is loaded, the whole forward pass. Gradients are checked for equality before time is taken; runs alternate in
one process.

    python -m tests.benchmarks.live [NETWORK ...] [--rounds 15] [--threads N] [--clock cpu] [--write]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from compute.models.model import Model
from compute.models.objectives import energy, logit
from compute.network.traced import LOGITS
from tests.benchmarks.one_pass import CPU, PREPROCESSING, a_model, a_module, ratio
from tests.benchmarks.reporting import report

MIDDLE = {
    "resnet18": "layer2.1.conv1",
    "resnet50": "layer2.3.conv2",
    "squeezenet1_1": "features.7.expand3x3",
    "vgg16": "features.14",
}
TARGET, STEP, EPSILON = 3, 1 / 255, 8 / 255
TOLERANCE = 1e-2
"""Of the norm: rounding switches some ReLUs that are all but 0, and the gradient jumps there."""
COLUMNS = (
    "network",
    "bare forward ms",
    "saliency / bare",
    "PGD step ms",
    "naive ms",
    "naive / ours",
    "middle layer",
    "dream step ms",
    "naive ms",
    "naive / ours",
)
GOALS = "goals: saliency at most 2.5 bare forwards, naive / ours at least 2."
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def compared(
    name: str, rounds: int, clock: Callable[[], float], device: torch.device = CPU
) -> tuple[list, dict]:
    """One network's row, and its raw times. clock: see `report.waiting_for`."""
    model, naive = a_model(name, a_module(name), device), a_module(name).requires_grad_(True).to(device)
    image = torch.rand(1, 3, *PREPROCESSING.size, generator=torch.Generator().manual_seed(0)).to(device)
    layer = MIDDLE[name]
    behind = relu_behind(naive, layer)
    error = checked(model, naive, image, layer)

    def bare() -> None:
        with torch.inference_mode():
            model.logits(image)

    taken = report.alternately(
        {
            "bare": bare,
            "saliency": lambda: model.gradient(image, logit(TARGET))[0].abs().amax(1),
            "pgd": lambda: pgd_step(image, model.gradient(image, logit(TARGET))[0]),
            "naive pgd": lambda: pgd_step(image, naive_gradient(naive, image)),
            "dream": lambda: dream_step(image, model.gradient(image, energy(layer))[0]),
            "naive dream": lambda: dream_step(image, naive_dream_gradient(naive, image, behind)),
        },
        rounds,
        clock,
    )
    ms = {each: 1000 * statistics.median(times) for each, times in taken.items()}
    over = {
        pair: statistics.median(ratio(taken[pair[0]], taken[pair[1]]))
        for pair in (("saliency", "bare"), ("naive pgd", "pgd"), ("naive dream", "dream"))
    }
    saliency, pgd, dream = over.values()
    gradient = [ms["bare"], saliency, ms["pgd"], ms["naive pgd"], pgd]
    return [name, *gradient, layer, ms["dream"], ms["naive dream"], dream], {"seconds": taken, "error": error}


def naive_gradient(module: nn.Module, image: Tensor) -> Tensor:
    """As in a notebook: backward() to the pixels and, since nobody froze them, to every weight."""
    image = image.clone().requires_grad_(True)
    module.zero_grad()
    module(PREPROCESSING.normalize(image))[:, TARGET].sum().backward()
    return image.grad


def naive_dream_gradient(module: nn.Module, image: Tensor, at: nn.Module) -> Tensor:
    """With a forward hook on the layer; the network runs to its end."""
    seen: list[Tensor] = []
    handle = at.register_forward_hook(lambda _, __, output: seen.append(output.relu()))
    image = image.clone().requires_grad_(True)
    module.zero_grad()
    module(PREPROCESSING.normalize(image))
    handle.remove()
    (seen[0].square().sum() / 2).backward()
    return image.grad


def relu_behind(module: nn.Module, layer: str) -> nn.Module:
    """What gives the layer's value before its ReLU: the batch norm behind a ResNet's convolution, or
    itself."""
    norm = layer.replace("conv", "bn")
    return module.get_submodule(norm if norm in dict(module.named_modules()) else layer)


def pgd_step(image: Tensor, gradient: Tensor) -> Tensor:
    moved = image + STEP * gradient.sign()
    return (image + (moved - image).clamp(-EPSILON, EPSILON)).clamp(0, 1)


def dream_step(image: Tensor, gradient: Tensor) -> Tensor:
    return (image + 1.5 / 255 * gradient / gradient.abs().mean()).clamp(0, 1)


def checked(model: Model, naive: nn.Module, image: Tensor, layer: str) -> float:
    """The largest difference of our gradients and naive PyTorch's, in norm. ValueError where that is more
    than a hundredth."""
    pairs = {
        "score": (model.gradient(image, logit(TARGET))[0], naive_gradient(naive, image)),
        layer: (
            model.gradient(image, energy(layer))[0],
            naive_dream_gradient(naive, image, relu_behind(naive, layer)),
        ),
        LOGITS: (model.logits(image), naive(PREPROCESSING.normalize(image)).detach()),
    }
    errors = {
        name: float((found - expected).norm() / expected.norm()) for name, (found, expected) in pairs.items()
    }
    worst = max(errors, key=errors.__getitem__)
    if not errors[worst] <= TOLERANCE:
        raise ValueError(
            f"{model.name}, {worst}: ours and naive PyTorch's differ by {errors[worst]:.1e} in norm"
        )
    return errors[worst]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=tuple(MIDDLE), help=", ".join(MIDDLE))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others share the machine")
    parser.add_argument("--write", action="store_true", help="keep the result in results/live.json")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows, details = [], {}
    for name in chosen.networks:
        row, details[name] = compared(name, chosen.rounds, CLOCKS[chosen.clock])
        rows.append(row)
        print("  ".join(f"{cell:.3g}" if isinstance(cell, float) else f"{cell}" for cell in row), flush=True)
    note = f"One image of 224x224, medians of {chosen.rounds} rounds, {chosen.clock} time; {GOALS}"
    print(note)
    if chosen.write:
        report.write("live", "Live methods", COLUMNS, rows, [note], details)


if __name__ == "__main__":
    main()
