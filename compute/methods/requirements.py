"""Networks whose only convolution cuts the image into patches, as a vision transformer's does."""

from torch import nn


def patch_embedding(model) -> str | None:
    """The start of a reason, such as "its only convolution cuts the image into 16 x 16 patches", or None."""
    if len(model.layers) != 1:
        return None
    convolution: nn.Conv2d = model.convolution(next(iter(model.layers)))
    if max(convolution.kernel_size) == 1 or convolution.stride != convolution.kernel_size:
        return None
    height, width = convolution.kernel_size
    return f"its only convolution cuts the image into patches of {height} x {width} pixels"


def no_layers_because(model) -> str | None:
    """Why there are no layers whose maps a picture could be made from, or None where there are."""
    if not model.layers:
        return "it has no convolution whose maps a picture could be made from"
    if (patches := patch_embedding(model)) is not None:
        return f"{patches}, and there are no further feature maps that a picture could be made from"
    return None
