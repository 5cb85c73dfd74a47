"""Which image sizes a method may hand to a network: its input size, or, convolutionally, what it takes."""

from collections.abc import Iterable

import torch
from torch import Tensor

Size = tuple[int, int]


def check_input_size(method: str, model, image: Tensor) -> None:
    """Raises ValueError if `image` (C, H, W) hasn't the network's input size."""
    if tuple(image.shape[1:]) != tuple(model.input_size):
        (height, width), (given_height, given_width) = model.input_size, image.shape[1:]
        raise ValueError(f"{method} needs an image of {width}x{height}, not {given_width}x{given_height}")


def check_takes(model, sites: Iterable[str], size: Size) -> None:
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


def _passes(model, sites: set[str], size: Size) -> None:
    with torch.inference_mode():
        model.activations(torch.zeros(1, model.in_channels, *size), sites)
