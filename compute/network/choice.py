"""Which way a network is run: the quickest one that gives what the plain network gives."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from compute.network import self_test
from compute.network.folded import FoldedNetwork
from compute.network.hooked import Batching, HookedNetwork
from compute.network.outputs import LOG_PROBABILITIES, LOGITS, NONE, Output, find_output
from compute.network.outputs.before import BeforeSquashing
from compute.network.self_test import deviation
from compute.network.traced import LOGITS as SCORES
from compute.network.traced import TracedNetwork

IN_PLACE = "modified by an inplace operation"
"""PyTorch's words where a network writes over what its own gradient needs; its graph doesn't."""

Network = TracedNetwork | HookedNetwork

QUANTISED = "the network is quantised, and PyTorch has no gradient of quantised layers"

OTHER_LAYOUTS = (
    ({"channels_last": True}, "images are run with their channels last in memory"),
    ({"twice": True}, "a single image is run in two copies"),
)
"""What may make PyTorch's gradient right, where it is wrong in a network that can't be traced; in words."""


@dataclass(frozen=True)
class Choice:
    """A network, and what was found out about it.

    plain: the network as it is, which everything quicker is compared with.
    not_traced_because: why it runs as it is, with hooks; None for a graph.
    no_gradient_because: why no gradient of the scores reaches the image; None where one does.
    notes: what stepped aside and why, and what a user should know of the network, a sentence each.
    """

    network: Network
    plain: HookedNetwork
    output: Output
    not_traced_because: str | None = None
    no_gradient_because: str | None = None
    notes: tuple[str, ...] = field(default=())


def choose(
    module: nn.Module,
    images: torch.Tensor,
    *,
    scores: str | None = None,
    chosen: str | None = None,
) -> Choice:
    """The quickest way to run a frozen module in eval mode that passes the self-test.

    images: (N, C, H, W), normalised, at least two that differ much.
    scores: what the scores mean, and chosen: which of the returned tensors they are, where a user tells it.
    Raises ValueError where the module doesn't run on them, or `scores` or `chosen` don't fit it.
    """
    batching, notes = _batching(module, images)
    output = _output(module, images, batching, scores, chosen)
    notes = [*_output_notes(output), *notes]
    plain = HookedNetwork(module, images[:1], output, batching)
    if not _is_deterministic(plain, images):
        notes.append("the network is not deterministic: the same image gets other scores each time")
        cause = "it is not deterministic, so that nothing can be compared with it"
        return _with_gradient(Choice(plain, plain, output, cause, notes=tuple(notes)), images, exactly=False)
    reason: str | None = None
    if batching.alone or batching.twice:
        reason = notes[-1]
    else:
        for kind in (FoldedNetwork, TracedNetwork):
            try:
                network = kind(module, images[:1], output)
                has_gradient = _check(network, plain, images)
            except ValueError as error:
                found = str(error)
                if reason != found:
                    notes.append(_stepped_aside(kind, found))
                reason = found
                continue
            notes += [*_logits_notes(network), *_opaque_notes(network)]
            choice = Choice(network, plain, output, notes=tuple(notes))
            return choice if has_gradient else _with_gradient(choice, images)
    notes += _logits_notes(plain)
    return _with_gradient(Choice(plain, plain, output, reason, notes=tuple(notes)), images)


def _output(
    module: nn.Module, images: torch.Tensor, batching: Batching, scores: str | None, chosen: str | None
) -> Output:
    def run(batch: torch.Tensor) -> Any:
        found: list[Any] = []
        batching.run(module, batch, lambda returned: found.append(returned) or {})
        return _together(found, batch)

    return find_output(run, images, chosen=chosen, meaning=scores)


def _output_notes(output: Output) -> list[str]:
    if not output.doubtful:
        return []
    return [
        "all scores lie within [0, 1] for the images tried, but nothing shows that they are probabilities: "
        "they are taken for logits; if they are probabilities, say so with --scores"
    ]


def logits_of(network: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda images: network.run(images, {SCORES})[SCORES]


def _batching(module: nn.Module, images: torch.Tensor) -> tuple[Batching, list[str]]:
    """How the network takes images; raises ValueError where it takes none."""
    single, several = (_failure(module, each) for each in (images[:1], images[:2]))
    if single is not None and several is not None:
        _, channels, height, width = images.shape
        raise ValueError(
            f"{type(module).__name__} doesn't run on an image of {channels} x {height} x {width} (channels, "
            f"height, width): {single}"
        )
    if several is not None:
        return Batching(alone=True), [
            f"images are run one by one, since the network takes no two ({several})"
        ]
    if single is not None:
        return Batching(twice=True), [
            f"a single image is run in two copies, since the network takes no one ({single})"
        ]
    if _depends_on_batch(module, images):
        sentence = (
            "images are run one by one, since the network's scores for one depend on the others beside it"
        )
        return Batching(alone=True), [sentence]
    return Batching(), []


def _failure(module: nn.Module, images: torch.Tensor) -> str | None:
    # Not inference mode: what a network computes once and keeps must still take part in gradients later.
    try:
        with torch.no_grad():
            module(images.clone())
    except Exception as error:  # whatever the network's own code raises
        return f"{type(error).__name__}: {error}"
    return None


def _depends_on_batch(module: nn.Module, images: torch.Tensor) -> bool:
    """Whether an image's results differ between batches, by more than running it again or rounding would."""
    if not _changes_with_batch(module, images):
        return False
    # Rounding differs with the batch's size, and a network may make much of it: in float64 it doesn't show.
    exact, doubled = self_test.in_float64(module), images.double()
    if exact is None or _failure(exact, doubled) is not None:
        return True
    return _changes_with_batch(exact, doubled)


def _changes_with_batch(module: nn.Module, images: torch.Tensor) -> bool:
    pair = images[:2]
    with torch.no_grad():
        try:
            together, mirrored = (_tensors(module(each)) for each in (pair.clone(), pair.flip(0)))
            alone, again = (_tensors(module(pair[:1].clone())) for _ in range(2))
        except Exception:  # of another batch size, say, which is told elsewhere
            return False
    pairs = zip(together, mirrored, alone, again, strict=False)
    for one, other, single, repeated in pairs:
        if len(one) != 2 or one.shape != other.shape or single.shape != repeated.shape:
            continue
        limit = self_test.tolerance(one.dtype)
        if deviation(single, repeated) > limit:
            return False  # random, which is told elsewhere
        first = single.reshape(one[0].shape) if single.numel() == one[0].numel() else one[0]
        if max(deviation(one[0], other[1]), deviation(one[0], first)) > limit:
            return True
    return False


def _tensors(value: Any) -> list[torch.Tensor]:
    leaves = torch.utils._pytree.tree_leaves(dict(value) if hasattr(value, "keys") else value)
    return [
        each for each in leaves if isinstance(each, torch.Tensor) and each.is_floating_point() and each.ndim
    ]


def _together(found: list[Any], batch: torch.Tensor) -> Any:
    """What was returned for several batches, as if for one."""
    if len(found) == 1:
        if len(batch) == 1:
            return torch.utils._pytree.tree_map_only(
                torch.Tensor, lambda each: each[:1] if len(each) == 2 else each, found[0]
            )
        return found[0]
    return torch.utils._pytree.tree_map(
        lambda *each: (
            torch.cat([one if one.ndim else one[None] for one in each])
            if isinstance(each[0], torch.Tensor)
            else each[0]
        ),
        *found,
    )


def _is_deterministic(plain: HookedNetwork, images: torch.Tensor) -> bool:
    if plain.output.meaning == NONE:
        return True
    with torch.no_grad():
        first, second = (logits_of(plain)(images) for _ in range(2))
    return deviation(second, first) <= self_test.tolerance(first.dtype)


def scores_deviation(output: Output, found: torch.Tensor, expected: torch.Tensor) -> float:
    """How far scores (N, classes) are from the plain network's, relative to their spread.

    Logits taken from before a softmax are the logarithm of what is behind it, but for a number that all have
    in common: of those, probabilities are compared.
    """
    if output.meaning == LOG_PROBABILITIES:
        return deviation(found.log_softmax(1), expected.log_softmax(1))
    if output.meaning != LOGITS:
        found, expected = (output.probabilities(each) for each in (found, expected))
    return deviation(found, expected)


def _check(network: TracedNetwork, plain: HookedNetwork, images: torch.Tensor) -> bool:
    """Whether a gradient of the scores reaches the image.

    Raises ValueError where a graph gives other scores or another gradient than the plain network.
    """
    if plain.output.meaning == NONE:
        return True
    name = type(plain.module).__name__
    if network.opaque and network.logits_because is not None and plain.logits_because is None:
        raise ValueError(f"as a graph, {name} doesn't show the logits before its probabilities")
    with torch.no_grad():
        try:
            found = logits_of(network)(images)
        except RuntimeError as error:
            raise ValueError(f"as a graph, {name} doesn't run on several images: {error}") from error
        expected = logits_of(plain)(images)
    if (off := scores_deviation(plain.output, found, expected)) > self_test.tolerance(expected.dtype):
        raise ValueError(f"as a graph, {name} gives scores that differ by {off:.2g} of their spread")
    return _check_gradient(network, plain, images)


def _check_gradient(network: TracedNetwork, plain: HookedNetwork, images: torch.Tensor) -> bool:
    """Whether there is a gradient; raises ValueError where it isn't the plain network's for any image.

    A fault shows in every image; in one of them, a ReLU that is just on or off may be the other way.
    """
    first: ValueError | None = None
    for image in images.split(1):
        try:
            if _check_gradient_of(network, plain, image):
                return True
        except ValueError as error:
            first = first or error
    if first is not None:
        raise first
    return False


def _check_gradient_of(network: TracedNetwork, plain: HookedNetwork, image: torch.Tensor) -> bool:
    name = type(plain.module).__name__
    run = logits_of(network)
    try:
        gradient = self_test.input_gradient(run, image)
    except ValueError as error:
        if _no_gradient_because(plain, image) != str(error):
            raise ValueError(f"as a graph, {name} has no gradient of the image: {error}") from error
        return False
    try:
        own = self_test.input_gradient(logits_of(plain), image)
    except ValueError as error:
        if IN_PLACE in str(error) and self_test.gradient_fits(run, image, gradient):
            return True
        message = f"as a graph, {name} has a gradient that the network itself has not: {error}"
        raise ValueError(message) from error
    off = self_test.gradient_deviation(gradient, own)
    if off <= self_test.GRADIENT and self_test.gradient_fits(run, image, gradient):
        return True
    exact, rounding = _exact_gradient(plain, image), 0.0
    if exact is not None:
        # A deep network's float32 is that far off float64 by itself.
        rounding = min(self_test.gradient_deviation(own, exact), self_test.BAD_GRADIENT / 2)
        off = self_test.gradient_deviation(gradient, exact)
    if off > max(self_test.GRADIENT, 2 * rounding):
        raise ValueError(f"as a graph, {name} has a gradient that is {off:.2g} off")
    return True


def _no_gradient_because(plain: HookedNetwork, image: torch.Tensor) -> str | None:
    try:
        self_test.input_gradient(logits_of(plain), image)
    except ValueError as error:
        return str(error)
    return None


def _exact_gradient(plain: HookedNetwork, image: torch.Tensor) -> torch.Tensor | None:
    def of(module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        def logits(images: torch.Tensor) -> torch.Tensor:
            with BeforeSquashing(plain.output) as squashing:
                returned = module(images)
            return squashing.logits(returned)[0]

        return logits

    return self_test.exact_gradient(plain.module, of, image)


def _with_gradient(choice: Choice, images: torch.Tensor, exactly: bool = True) -> Choice:
    """The choice with the layout in which PyTorch's own gradients are right, and with the reason where there
    is no gradient."""
    if choice.output.meaning == NONE:
        return choice
    try:
        self_test.input_gradient(logits_of(choice.network), images[:1])
    except ValueError:
        if (reason := self_test.no_gradient_because(logits_of(choice.network), images)) is None:
            return _with_constant_note(choice, images)
        if _is_quantised(choice.network.module):
            reason = QUANTISED
        return replace(choice, no_gradient_because=f"no gradient of the scores reaches the image: {reason}")
    if not exactly or isinstance(choice.network, TracedNetwork):
        return choice
    off = _gradient_error(choice.network, images)
    if off <= self_test.BAD_GRADIENT:
        return choice
    plain = choice.network
    for change, words in OTHER_LAYOUTS:
        other = HookedNetwork(plain.module, plain.example, plain.output, replace(plain.batching, **change))
        if _gradient_error(other, images) <= self_test.BAD_GRADIENT:
            note = f"{words}, since PyTorch's gradient is wrong otherwise"
            return replace(choice, network=other, notes=(*choice.notes, note))
    return replace(
        choice, no_gradient_because=f"PyTorch's gradient of this network is {off:.0%} off finite differences"
    )


def _gradient_error(network: HookedNetwork, images: torch.Tensor) -> float:
    """How far the network's gradient is off float64's, for the image where it is least.

    0 where nothing better is known.
    """
    least = math.inf
    for image in images.split(1):
        try:
            gradient = self_test.input_gradient(logits_of(network), image)
        except ValueError:  # 0 for one image, say
            continue
        if self_test.gradient_fits(logits_of(network), image, gradient):
            return 0.0
        if (exact := _exact_gradient(network, image)) is None:
            return 0.0
        least = min(least, self_test.gradient_deviation(gradient, exact))
    return least


def _with_constant_note(choice: Choice, images: torch.Tensor) -> Choice:
    if not self_test.is_constant(logits_of(choice.network), images):
        return choice
    note = "every image gets the same scores, so that none of its pixels moves them"
    return replace(choice, notes=(*choice.notes, note))


def _is_quantised(module: nn.Module) -> bool:
    return any("quantized" in type(each).__module__ for each in module.modules())


def _stepped_aside(kind: type[TracedNetwork], reason: str) -> str:
    what = "folding and packing" if kind is FoldedNetwork else "the graph"
    return f"{what} stepped aside: {reason}"


def _logits_notes(network: Network) -> list[str]:
    return [] if network.logits_because is None else [network.logits_because]


def _opaque_notes(network: TracedNetwork) -> list[str]:
    quantised = {name for name in network.opaque if _is_quantised(network.module.get_submodule(name))}
    return [
        f"{name} is run as it is: {'it is quantised' if name in quantised else reason}"
        for name, reason in network.opaque.items()
    ]
