"""What methods ask of a network before they run: feature maps, a size it takes.

The `…_because` functions say in words why something can't be had, and None where it can.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from compute.models.model import Model

Size = tuple[int, int]
"""Height and width in pixels."""


def no_classes_because(model: Model) -> str | None:
    """Why no class can be explained or aimed at, or None where there are some."""
    return None if model.classes else "the network gives no class scores"


def no_score_gradient_because(model: Model) -> str | None:
    """Why the score of a class can't be followed to the pixels, or None where it can."""
    return no_classes_because(model) or model.no_gradient_because


def no_layer_gradient_because(model: Model) -> str | None:
    """Why no layer can be followed to the pixels, or None where one can."""
    reason = "it has no layer"
    for layer in model.layers:
        if (reason := model.no_gradient_at(layer)) is None:
            return None
    return reason


def check_gradient(method: str, model: Model, layers: Iterable[str]) -> None:
    """Raises ValueError where one of the layers can't be followed to the pixels."""
    for layer in layers:
        if (reason := model.no_gradient_at(layer)) is not None:
            raise ValueError(f"{method} can't use layer {layer} of {model.name}: {reason}")


def patch_embedding(model: Model) -> str | None:
    """The start of a reason, such as "its only convolution cuts the image into patches of 16 x 16
    pixels", or None."""
    if len(model.convolutions) != 1:
        return None
    convolution = model.convolution(model.first_layer)
    if max(convolution.kernel_size) == 1 or convolution.stride != convolution.kernel_size:
        return None
    height, width = convolution.kernel_size
    return f"its only convolution cuts the image into patches of {height} x {width} pixels"


def no_layers_because(model: Model) -> str | None:
    """Why there are no layers whose maps a picture could be made from by their gradient, or None where there
    are."""
    if not model.layers:
        return "it has no layer whose maps a picture could be made from"
    if tuple(model.layers) == model.convolutions and (patches := patch_embedding(model)) is not None:
        return f"{patches}, and there are no further feature maps that a picture could be made from"
    return no_layer_gradient_because(model)


def spread_layers(model: Model, count: int, last: str | None = None) -> tuple[str, ...]:
    """Return layers spread evenly over the network, from its first to `last`, or to its own last.

    Those that no gradient comes from are left out; where none of them gives one, all others that do are
    returned.
    """
    names = list(model.layers)
    names = names if last is None else names[: names.index(last) + 1]
    count = min(count, len(names))
    spread = [names[round(index * (len(names) - 1) / max(1, count - 1))] for index in range(count)]
    return followed_layers(model, spread) or followed_layers(model, names)


def followed_layers(model: Model, layers: Iterable[str]) -> tuple[str, ...]:
    """Return those of the layers that can be followed to the pixels."""
    return tuple(layer for layer in layers if model.no_gradient_at(layer) is None)


def check_input_size(method: str, model: Model, image: Tensor) -> None:
    """Raises ValueError if `image` (C, H, W) hasn't the network's input size."""
    if tuple(image.shape[1:]) != tuple(model.input_size):
        (height, width), (given_height, given_width) = model.input_size, image.shape[1:]
        raise ValueError(f"{method} needs an image of {width}x{height}, not {given_width}x{given_height}")


def check_takes(model: Model, sites: Iterable[str], size: Sequence[int]) -> None:
    """Raises ValueError where the network can't be run on images of `size` (H, W) up to `sites`."""
    sites, (height, width) = set(sites), size
    try:
        _passes(model, sites, size)
    except (RuntimeError, AssertionError) as error:
        # Where the device fails, and not the size, this fails as well, and says why.
        _passes(model, sites, model.input_size)
        raise ValueError(
            f"{model.name} can't take an image of {width}x{height} up to {', '.join(sorted(sites))}: {error}"
        ) from error


def _passes(model: Model, sites: set[str], size: Sequence[int]) -> None:
    with torch.inference_mode():
        model.activations(torch.zeros(1, model.in_channels, *size), sites)
