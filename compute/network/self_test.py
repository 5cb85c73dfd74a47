"""What a network is compared with itself on when it is loaded: the plain module, run as it is.

Whatever is quicker than the plain network must give what it gives: scores, every layer's value, the gradient
of the image. What deviates by more than a tolerance, relative to the spread of what is compared, is not used.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

VALUES = 1e-3
"""Of scores and layers' values, of their spread: folding and packing give 1e-6 to 1e-5 in float32."""

HALF_VALUES = 5e-2
"""The same for networks in half precision."""

GRADIENT = 2e-2
"""Of the gradient, of its norm: a ReLU that is just on or off may differ between two ways of rounding."""

BAD_GRADIENT = 0.2
"""From here on PyTorch's own gradient is not rounded but wrong."""

STEPS, SLOPE = (2e-3, 4e-4, 1e-4), 5e-2
"""Of finite differences in float32: lengths, as shares of the image's norm. A long one crosses kinks of
nonlinearities (with ReLU6 a percent of the slope for each 1e-4), a short one drowns in rounding."""

EXACT_STEPS, EXACT_SLOPE = (1e-8, 1e-6), 1e-3
"""Of finite differences in float64: a short one, since along a longer one ReLUs of deep networks go on and
off; a longer one where the scores are so large, and rise so little, that rounding hides a short one."""

LARGEST_COPY = 400_000_000
"""Parameters up to which a float64 copy of a network is made."""

SAMPLES = 257

ZERO = "it is 0 everywhere"
"""Why a gradient is none that could be followed."""


def tolerance(dtype: torch.dtype) -> float:
    return HALF_VALUES if dtype in (torch.float16, torch.bfloat16) else VALUES


def deviation(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the expected values' spread (of their size where they have none).

    0 where both are NaN or the same infinity; infinity where only one is, or the shapes differ.
    """
    if found.shape != expected.shape:
        return float("inf")
    found, expected = found.detach().double(), expected.detach().double()
    same = (found == expected) | (found.isnan() & expected.isnan())
    finite = expected[expected.isfinite()]
    if bool(same.all()) or not len(finite):
        return 0.0 if bool(same.all()) else float("inf")
    spread = float(finite.max() - finite.min()) or float(finite.abs().max()) or 1.0
    difference = (found - expected).abs()[~same]
    return float("inf") if bool(difference.isnan().any()) else float(difference.max()) / spread


def sample(value: Any) -> torch.Tensor | None:
    """At most SAMPLES of a tensor's values, evenly spread, as a copy; None for anything else."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.numel():
        return None
    flat = value.detach().reshape(-1)
    places = torch.linspace(0, len(flat) - 1, min(SAMPLES, len(flat)), dtype=torch.double).long()
    return flat[places.to(flat.device)].clone()


def input_gradient(logits: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Of a fixed mixture of all scores, by the pixels of `images`.

    Raises ValueError, with the reason, where none reaches them.
    """
    with torch.enable_grad():
        inputs = images.detach().clone().requires_grad_(True)
        try:
            score = mixture(logits(inputs))
        except RuntimeError as error:
            raise ValueError(f"it can't be computed: {_first_line(error)}") from error
        if not score.requires_grad:
            raise ValueError("what the network computes is cut off from the image")
        try:
            (gradient,) = torch.autograd.grad(score, inputs)
        except RuntimeError as error:
            raise ValueError(f"it can't be computed: {_first_line(error)}") from error
    if not bool(gradient.isfinite().all()):
        raise ValueError("it is not finite")
    if not bool(gradient.any()):
        raise ValueError(ZERO)
    return gradient


def no_gradient_because(values: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> str | None:
    """Why no gradient of what a network computes reaches any of the images; None where one reaches one of
    them, and where there is nothing to move: all of them have the same values."""
    reasons = []
    for image in images.split(1):
        try:
            input_gradient(values, image)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return None
    return None if set(reasons) == {ZERO} and is_constant(values, images) else reasons[0]


def is_constant(values: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> bool:
    """Whether a network computes the same for every image, as dead weights do."""
    with torch.no_grad():
        found = values(images)
    return bool((found == found[:1]).all())


def mixture(logits: torch.Tensor) -> torch.Tensor:
    """One number of all scores, each with a weight of its own."""
    weights = torch.linspace(-1, 1, logits.shape[-1], dtype=torch.double).sin() + 0.5
    return (logits * weights.to(logits)).sum()


def gradient_fits(
    logits: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    gradient: torch.Tensor,
    steps: Iterable[float] = STEPS,
    slope: float = SLOPE,
) -> bool:
    """Whether the scores rise along the gradient as it says, by a finite difference of one of some lengths.

    steps: the lengths, as shares of the images' norm.
    slope: how far it may be off, as a share of the gradient.
    """
    norm = float(gradient.double().norm())
    length = float(images.double().norm())

    def off(step: float) -> float:
        along = step * length * gradient / norm
        with torch.no_grad():
            ends = [float(mixture(logits(images + sign * along).double())) for sign in (1, -1)]
        rise = 2 * norm * float(along.double().norm())
        return abs(ends[0] - ends[1] - rise) / rise

    return any(off(step) <= slope for step in steps)


def in_float64(module: nn.Module) -> nn.Module | None:
    """A copy of a network; None where it is too large or can't be copied."""
    if sum(each.numel() for each in module.parameters()) > LARGEST_COPY:
        return None
    try:
        return copy.deepcopy(module).double()
    except Exception:  # whatever a user's code raises
        return None


def exact_gradient(
    module: nn.Module, logits_of: Callable[[nn.Module], Callable], image: torch.Tensor
) -> torch.Tensor | None:
    """The gradient in float64, which finite differences confirm.

    PyTorch's own may be wrong in float64 as well, where the tensors of a single image lie in memory in some
    ways: then it is taken with channels last, or of two copies of the image. None where the network can't be
    copied, doesn't run in float64, or has no gradient that finite differences confirm.
    """
    if (exact := in_float64(module)) is None:
        return None
    try:
        run = logits_of(exact)
        for images in _laid_out(image.double()):
            gradient = input_gradient(run, images)
            if gradient_fits(run, images, gradient, EXACT_STEPS, EXACT_SLOPE):
                return gradient[:1]
    except Exception:  # whatever a user's code raises on float64
        return None
    return None


def _laid_out(image: torch.Tensor) -> Iterator[torch.Tensor]:
    yield image
    yield image.contiguous(memory_format=torch.channels_last)
    yield torch.cat([image, image])


def gradient_deviation(found: torch.Tensor, expected: torch.Tensor) -> float:
    found, expected = found.double(), expected.double()
    return float((found - expected).norm() / expected.norm().clamp_min(torch.finfo(torch.double).tiny))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
