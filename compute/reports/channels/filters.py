"""First-layer filters, what the network looks for in the pixels themselves: as one sheet, and as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from compute.images.pictures import GREY, tiled, to_8_bit, upscaled
from compute.methods.capabilities import no_filters_because
from compute.models.model import Model
from compute.reports.base import MODEL, RUN, ReportInputs, ReportSpec
from compute.reports.drawing.report import Report
from compute.runtime.parameters import parameter
from featurestore.reader import Run

SIDE = 64
BY_FILTER, BY_ALL = "filter", "all"
SCALINGS = (BY_FILTER, BY_ALL)


@dataclass(frozen=True)
class FiltersSpec(ReportSpec):
    """The filters that a run holds or, where no run is given, those of a model."""

    name: ClassVar[str] = "filters"
    title: ClassVar[str] = "First-layer filters"
    description: ClassVar[str] = (
        "The weights of the first convolution, drawn as pictures: 0 is mid-grey, enlarged without "
        "smoothing. With other than 3 input channels, one grey picture an input channel. The array is "
        "(filters, channels, height, width). With --store and no --model, the filters that the store "
        "holds."
    )
    needs: ClassVar[frozenset[str]] = frozenset()
    takes: ClassVar[frozenset[str]] = frozenset({RUN, MODEL})

    scaling: str = parameter(
        BY_FILTER, "each filter by its own largest weight, or all by the largest of all", choices=SCALINGS
    )
    pixel_space: bool = parameter(
        True, "divide by the input's standard deviation: what a filter does to pixels"
    )
    side: int = parameter(SIDE, "least size of a filter", unit="pixels", low=1, high=512)

    def _make(self, inputs: ReportInputs) -> Report:
        asked = self.scaling, self.pixel_space, self.side
        if inputs.run is not None:
            return run_filters_report(inputs.run, *asked)
        if inputs.model is None:
            raise ValueError("filters needs a store (--store) or a network (--model)")
        model = inputs.model()
        if (reason := no_filters_because(model)) is not None:
            raise ValueError(f"filters are not available for {model.name}: {reason}")
        made_of = {"model": model.name, "layer": model.first_layer, "weights_hash": model.weights_hash}
        return filters_report(made_of, first_filters(model), model.preprocessing.std, *asked)


def stored_filters(filters: pa.Table) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return the filters of the table `filters`, and the standard deviation of the network's input.

    Filters: (filters, in_channels, height, width) float32, as learnt.
    ValueError where the table has none.
    """
    if not len(filters):
        raise ValueError("the run has no filters: its network has no convolution that sees the image first")
    first = filters.slice(0, 1).to_pylist()[0]
    shape = (len(filters), first["in_channels"], first["height"], first["width"])
    return np.asarray(filters["weight"].to_pylist(), np.float32).reshape(shape), tuple(first["std"])


def run_filters_report(
    run: Run, scaling: str = BY_FILTER, in_pixels: bool = True, side: int = SIDE
) -> Report:
    """Report on the filters that a run holds; parameters as in `FiltersSpec`."""
    weights, std = stored_filters(run.filters())
    layers = run.table("layers", ["position", "layer"]).sort_by("position")["layer"].to_pylist()
    model = run.manifest.model
    made_of = {"model": model["name"], "layer": layers[0], "weights_hash": model["weights_hash"]}
    return filters_report(made_of, weights, std, scaling, in_pixels, side)


def filters_report(
    made_of: Mapping[str, Any],
    weights: np.ndarray,
    std: tuple[float, ...],
    scaling: str = BY_FILTER,
    in_pixels: bool = True,
    side: int = SIDE,
) -> Report:
    """Report on the filters of a first layer; parameters as in `FiltersSpec`.

    made_of: model, layer, weights_hash.
    weights: (filters, channels, height, width) as learnt.
    std: of the network's input, one a channel; weights are divided by it where there is one for each.
    """
    in_pixels = in_pixels and weights.shape[1] == len(std)
    weights = in_pixel_space(weights, std) if in_pixels else weights
    shape = dict(zip(("filters", "channels", "height", "width"), weights.shape, strict=True))
    said = {"model": made_of["model"], "layer": made_of["layer"], **shape}
    said |= {"scaling": scaling, "pixel_space": in_pixels, "largest": float(abs(weights).max())}
    return Report(
        {"exhibit": "filters", "side": side, **said, "weights_hash": made_of["weights_hash"]},
        said,
        lambda: to_8_bit(filter_sheet(weights, scaling, side)),
        lambda: _rows(weights),
        lambda: weights,
    )


def first_filters(model: Model) -> np.ndarray:
    """Return the first convolution's weights as learnt, for normalised input: (filters, C, h, w) float32."""
    return model.convolution(model.first_layer).weight.detach().float().cpu().numpy()


def in_pixel_space(weights: np.ndarray, std: tuple[float, ...]) -> np.ndarray:
    """Return w / std of each channel: what a filter does to pixels in [0, 1].

    The network sees (pixel - mean) / std.
    """
    return weights / np.asarray(std, np.float32).reshape(1, -1, 1, 1)


def scaled(weights: np.ndarray, scaling: str = BY_FILTER) -> np.ndarray:
    """Scale weights to [0, 1], symmetric about 0, which becomes 0.5 (mid-grey).

    scaling: "filter" divides each filter by its own largest magnitude, "all" by the largest of all, so that
    strengths
    can be compared. ValueError for anything else.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling is {scaling!r}; choose from {', '.join(SCALINGS)}")
    axes = (1, 2, 3) if scaling == BY_FILTER else None
    magnitude = np.abs(weights).max(axis=axes, keepdims=True)
    return GREY + GREY * weights / np.where(magnitude > 0, magnitude, 1)


def filter_tiles(weights: np.ndarray, scaling: str = BY_FILTER, side: int = 64) -> list[np.ndarray]:
    """Return pictures of the filters, (h, w, 3) in [0, 1], enlarged to at least `side` pixels.

    One in color a filter where there are 3 input channels; otherwise a grey one an input channel, filter by
    filter.
    """
    pictures = scaled(weights, scaling).transpose(0, 2, 3, 1)
    if pictures.shape[3] != 3:
        planes = pictures.transpose(0, 3, 1, 2).reshape(-1, *pictures.shape[1:3])
        pictures = np.repeat(planes[..., None], 3, axis=3)
    return [upscaled(each, side) for each in pictures]


def filter_sheet(weights: np.ndarray, scaling: str = BY_FILTER, side: int = 64) -> np.ndarray:
    """Return all filters in one picture, (H, W, 3) in [0, 1].

    About square, or one row a filter where filters have many input channels.
    """
    tiles, channels = filter_tiles(weights, scaling, side), weights.shape[1]
    columns = channels if channels not in (1, 3) else int(np.ceil(np.sqrt(len(tiles))))
    return tiled(tiles, columns)


def _rows(weights: np.ndarray) -> pa.Table:
    """One weight a row."""
    places = np.indices(weights.shape, np.int32).reshape(4, -1)
    names = ("filter", "channel", "y", "x")
    return pa.table({**dict(zip(names, places, strict=True)), "weight": weights.astype(np.float32).ravel()})
