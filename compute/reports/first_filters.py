"""First-layer filters: what the network looks for in the pixels themselves."""

import numpy as np

from compute.images.pictures import GREY, tiled, upscaled

BY_FILTER, BY_ALL = "filter", "all"
SCALINGS = (BY_FILTER, BY_ALL)


def first_filters(model) -> np.ndarray:
    """The first convolution's weights as learnt, on normalised input: (filters, C, h, w) float32."""
    return model.convolution(first_layer(model)).weight.detach().float().cpu().numpy()


def first_layer(model) -> str:
    """The convolution that comes first in the forward pass; ValueError where there is none."""
    if not model.layers:
        raise ValueError(f"{model.name} has no convolution, so it has no filters")
    return min(model.layers.values(), key=lambda layer: layer.position).name


def in_pixel_space(weights: np.ndarray, std: tuple[float, ...]) -> np.ndarray:
    """w / std a channel: what a filter does to pixels in [0, 1], since the network sees (pixel - mean) /
    std."""
    return weights / np.asarray(std, np.float32).reshape(1, -1, 1, 1)


def scaled(weights: np.ndarray, scaling: str = BY_FILTER) -> np.ndarray:
    """Weights to [0, 1], symmetric about 0, which becomes 0.5 (mid-grey).

    scaling: "filter" divides each by its own largest magnitude, "all" by the largest of all, so that
    strengths can be compared.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling is {scaling!r}; choose from {', '.join(SCALINGS)}")
    axes = (1, 2, 3) if scaling == BY_FILTER else None
    magnitude = np.abs(weights).max(axis=axes, keepdims=True)
    return GREY + GREY * weights / np.where(magnitude > 0, magnitude, 1)


def filter_tiles(weights: np.ndarray, scaling: str = BY_FILTER, side: int = 64) -> list[np.ndarray]:
    """Pictures (h, w, 3) in [0, 1], enlarged without smoothing to at least `side` pixels.

    One a filter, in colour, where there are 3 input channels; otherwise a grey one an input channel, filter
    by filter.
    """
    pictures = scaled(weights, scaling).transpose(0, 2, 3, 1)
    if pictures.shape[3] != 3:
        planes = pictures.transpose(0, 3, 1, 2).reshape(-1, *pictures.shape[1:3])
        pictures = np.repeat(planes[..., None], 3, axis=3)
    return [upscaled(each, side) for each in pictures]


def filter_sheet(weights: np.ndarray, scaling: str = BY_FILTER, side: int = 64) -> np.ndarray:
    """All of them in one picture (H, W, 3): about square, or a row a filter where each has many input
    channels."""
    tiles, channels = filter_tiles(weights, scaling, side), weights.shape[1]
    columns = channels if channels not in (1, 3) else int(np.ceil(np.sqrt(len(tiles))))
    return tiled(tiles, columns)
