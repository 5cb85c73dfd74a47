"""How strongly each channel responds to one image, or in a box on it, held against the store's statistics.

What the store keeps is each image's spatial maximum, over the whole image. A response in a box is the maximum
over the units that stand in the box alone, and is held against those maxima of whole images:

    p = #{images whose maximum, anywhere in them, > the maximum in the box} / N.

So p in a box is never less than p in the whole image. A small p says that the channel responds in this very
place as strongly as it does anywhere in few images. A channel that responds everywhere in the image is no
less unusual in the box; and where few units stand in a box, a larger p is to be expected.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from compute.analysis.channel_ranking import Distribution, ranking, standing
from compute.analysis.comparison import list_length
from compute.images.preprocessing import Box
from compute.images.raster import Photograph
from compute.models.model import Model
from compute.reports.channels.picture_box import PictureBox, Units, box_in_crop, units_in
from compute.reports.drawing.run_images import box_of, preprocessing_of
from featurestore.reader import Run

PATCH_COLUMNS = ("layer", "channel", "rank", "image_id", "value", "y", "x", "left", "top", "right", "bottom")
EACH_LAYER, ONE_LAYER = 6, 24
"""Channels that are shown of each of several layers, and of one alone."""
TOGETHER = 24
"""Channels that are shown of all layers in one list."""
NAMED = 4
"""Layers that a message names."""

LEAST_SHARE, FEW = 0.0001, 0.01
"""A place is said to be no less than the first, and with two digits below the second: with one alone, all the
strongest would have the same."""


@dataclass(frozen=True)
class Peaks:
    """The strongest unit of each of a layer's C channels in one image.

    value: (C,) float32, the spatial maximum, over the whole map or the part of it that counts.
    y, x: (C,) int64, row and column of the first unit that has it.
    """

    value: np.ndarray
    y: np.ndarray
    x: np.ndarray


@dataclass(frozen=True)
class Response:
    """A channel's response to the image.

    value: its spatial maximum in the image.
    maximum: its greatest in the store.
    share: of the store's images that respond more strongly, 0 to 1.
    rank: of this image among the channel's top patches, from 0; None where it isn't among them, and in a box.
    y, x: the unit.
    box: what it sees of the photograph, in pixels; None where that is not known.
    at_least: share of the store's images that respond at least as strongly, the image itself included.
    """

    layer: str
    channel: int
    value: float
    maximum: float
    share: float
    rank: int | None
    y: int
    x: int
    box: Box | None
    at_least: float = 0.0

    @property
    def name(self) -> str:
        """Return layer/channel."""
        return f"{self.layer}/{self.channel}"


@dataclass(frozen=True)
class Unusual:
    """What responds unusually strongly in all layers.

    channels: the most unusual ones, first the one that fewest images equal or exceed.
    shares: (C,) float64 of every channel of a layer, by layer: the share of the store's images that respond
        at least as strongly; NaN where the channel doesn't respond, or is dead.
    """

    channels: list[Response]
    shares: dict[str, np.ndarray]


def peaks(
    model: Model, image: torch.Tensor, layers: Iterable[str], units: Mapping[str, Units] | None = None
) -> dict[str, Peaks]:
    """Return every channel's strongest unit, by layer, from one forward pass.

    image: (C, H, W) in [0, 1].
    units: the rows and columns of each layer's map that count; None for all.
    """
    names = tuple(layers)
    with torch.inference_mode():
        maps = model.activations(image[None].to(model.device), set(names))
    return {name: _peaks(maps[name][0], None if units is None else units[name]) for name in names}


def peaks_of(
    run: Run, model: Model, photograph: Photograph, box: PictureBox | None = None
) -> dict[str, Peaks]:
    """Return the strongest units of the run's layers in a photograph, from one forward pass.

    box: a part of the photograph, whose units alone count, see `picture_box`; then without the layers of
        which it is not known where their units stand.
    ValueError where the network sees nothing of the box, or that is known of no layer.
    """
    image, names = model.prepare(photograph), layers_of(run)
    if box is None:
        return peaks(model, image, names)
    seen = box_in_crop(box, model.preprocessing, photograph.size)
    units = units_in(seen, model.centers, model.input_size)
    placed = [name for name in names if name in units]
    if not placed:
        raise ValueError(left_out(names, placed))
    return peaks(model, image, placed, units)


def left_out(layers: Sequence[str], placed: Collection[str]) -> str:
    """Return in words of which layers a box says nothing, and why; "" where there are none.

    placed: the layers of which it is known where in the image their units stand.
    """
    without = [name for name in layers if name not in placed]
    if not without:
        return ""
    more = f" and {len(without) - NAMED} more layers" if len(without) > NAMED else ""
    return (
        f"a box says nothing of {', '.join(without[:NAMED])}{more}: where in the image their units stand is "
        "not known, as each sees all of it, or nobody knows what"
    )


def place(response: Response) -> str:
    """Return a response's place among the store's images in words, such as `top 4.2%`, `top 0.03%`."""
    return _said(response.share)


def place_with_ties(response: Response) -> str:
    """Return the place that a response shares with all images that respond as strongly, in words."""
    return _said(response.at_least)


def rarity(response: Response) -> tuple[float, float]:
    """Return a sort key, least for the response that fewest images exceed.

    Between equals, the one nearest to the channel's maximum, or furthest beyond it, goes first.
    """
    return response.share, -_ratio(response)


def rarity_with_ties(response: Response) -> tuple[float, float]:
    """Return a sort key, least for the response that fewest images equal or exceed."""
    return response.at_least, -_ratio(response)


def _ratio(response: Response) -> float:
    return response.value / response.maximum if response.maximum > 0 else math.inf


def _said(share: float) -> str:
    if share == 0:
        return "strongest"
    share = max(share, LEAST_SHARE)
    return f"top {share:.2%}" if share < FEW else f"top {share:.1%}"


def layers_of(run: Run) -> tuple[str, ...]:
    """Return the names of the run's layers in the network's order."""
    return tuple(run.table("layers", ["layer"])["layer"].to_pylist())


def strongest(
    run: Run, layer: str, found: Mapping[str, Peaks], image_id: int | None, size: tuple[int, int]
) -> list[Response]:
    """Return the most unusual responses of a layer, or of each ("") in the network's order.

    found: the peaks by layer; a layer that is not among them is left out.
    image_id: of the image, where it is the store's and the peaks are the whole image's, for the ranks.
    size: width and height of the photograph.
    ValueError for a layer that is unknown, or alone and left out.
    """
    count = ONE_LAYER if layer else EACH_LAYER
    return [
        response
        for name in _looked_at(run, layer, found)
        for response in _Standings(_Known(run, name), found[name]).responses(count, image_id, size)
    ]


def most_unusual(
    run: Run, layer: str, found: Mapping[str, Peaks], image_id: int | None, size: tuple[int, int]
) -> Unusual:
    """Return the TOGETHER most unusual responses of a layer, or of all ("") in one list, and all shares.

    The arguments and errors are those of `strongest`.
    """
    looked_at = _looked_at(run, layer, found)
    standings = {name: _Standings(_Known(run, name), found[name]) for name in looked_at}
    responses = [
        response
        for of_layer in standings.values()
        for response in of_layer.responses(TOGETHER, image_id, size, ties=True)
    ]
    shares = {name: of_layer.shares for name, of_layer in standings.items()}
    return Unusual(sorted(responses, key=rarity_with_ties)[:TOGETHER], shares)


def stored(run: Run, image_id: int, layer: str = "") -> list[Response]:
    """Return the channels that have the image among their top patches, by its rank."""
    table = run.table("top_patches", PATCH_COLUMNS) if not layer else run.select("top_patches", layer)
    rows = table.filter(pc.equal(table["image_id"], image_id)).to_pylist()
    known = {name: _Known(run, name) for name in {row["layer"] for row in rows}}
    return [
        known[row["layer"]].of_row(row) for row in sorted(rows, key=lambda row: (row["rank"], row["channel"]))
    ]


def _looked_at(run: Run, layer: str, found: Mapping[str, Peaks]) -> list[str]:
    known = layers_of(run)
    if layer and layer not in known:
        raise ValueError(f"unknown layer {layer!r}; choose from {', '.join(known)}")
    if layer and layer not in found:
        raise ValueError(f"{left_out([layer], found)}; choose from {', '.join(found)}")
    return [layer] if layer else [name for name in known if name in found]


class _Known:
    """What the store knows of a layer's channels."""

    def __init__(self, run: Run, layer: str):
        self.run, self.layer = run, layer
        stats, self.tops = run.channels(layer), run.select("top_patches", layer)
        self.distribution = Distribution(
            np.stack(stats["histogram"].to_numpy(zero_copy_only=False)),
            stats["histogram_low"].to_numpy(),
            stats["histogram_high"].to_numpy(),
            _strongest_values(self.tops, len(stats)),
            stats["max"].to_numpy(),
        )
        self.alive = ~stats["dead"].to_numpy(zero_copy_only=False)

    def of_row(self, row: dict) -> Response:
        """Return what a row of `top_patches` says of its image."""
        channel, rank = row["channel"], row["rank"]
        values = np.full(len(self.alive), row["value"], np.float32)
        greatest, at_least = self.distribution.strongest[:, 0], standing(values, self.distribution).at_least
        unit = row["y"], row["x"], box_of(row)
        share = rank / self.run.image_count
        of_channel = self.layer, channel, row["value"], float(greatest[channel])
        return Response(*of_channel, share, rank, *unit, float(at_least[channel]))


class _Standings:
    """Where a layer's peaks in an image lie among those of the store's images."""

    def __init__(self, known: _Known, found: Peaks):
        self._known, self._found = known, found
        self._places = standing(found.value, known.distribution)
        self._responds = known.alive & (found.value > 0)

    @property
    def shares(self) -> np.ndarray:
        """(C,) of the images that respond at least as strongly; NaN for a channel that doesn't respond."""
        return np.where(self._responds, self._places.at_least, np.nan)

    def responses(
        self, count: int, image_id: int | None, size: tuple[int, int], ties: bool = False
    ) -> list[Response]:
        """Return the `count` most unusual ones; `ties` as for `ranking`."""
        chosen = [int(each) for each in ranking(self._places, ties) if self._responds[each]]
        boxes = _Boxes(self._known.run, self._known.layer, size)
        ranks = _ranks(self._known.tops, image_id)
        return [self._response(channel, boxes, ranks.get(channel)) for channel in chosen[:count]]

    def _response(self, channel: int, boxes: "_Boxes", rank: int | None) -> Response:
        y, x = int(self._found.y[channel]), int(self._found.x[channel])
        return Response(
            self._known.layer,
            channel,
            float(self._found.value[channel]),
            float(self._known.distribution.maximum[channel]),
            float(self._places.share[channel]),
            rank,
            y,
            x,
            boxes.of(y, x),
            float(self._places.at_least[channel]),
        )


class _Boxes:
    """Receptive fields of a layer's units in a photograph of `size` (width, height)."""

    def __init__(self, run: Run, layer: str, size: tuple[int, int]):
        layers = run.table("layers")
        self._row = layers.filter(pc.equal(layers["layer"], layer)).to_pylist()[0]
        self._preprocessing, self._size = preprocessing_of(run), size

    def of(self, y: int, x: int) -> Box | None:
        row = self._row
        if row["rf_height"] is None:
            return None
        place = "" if row.get("place_height") is None else "place_"
        width, height = (row[f"{place or 'rf_'}{side}"] for side in ("width", "height"))
        left = row[f"{place}offset_x"] + x * row[f"{place}stride_x"]
        top = row[f"{place}offset_y"] + y * row[f"{place}stride_y"]
        box = left, top, left + width, top + height
        return self._preprocessing.to_original(box, *self._size)


def _strongest_values(tops: pa.Table, channels: int) -> np.ndarray:
    """(C, K) descending, -inf where there are fewer."""
    channel, rank = tops["channel"].to_numpy(), tops["rank"].to_numpy()
    values = np.full((channels, max(1, list_length(rank))), -np.inf, np.float32)
    values[channel, rank] = tops["value"].to_numpy()
    return values


def _ranks(tops: pa.Table, image_id: int | None) -> dict[int, int]:
    """By channel, of one image."""
    if image_id is None:
        return {}
    own = tops.filter(pc.equal(tops["image_id"], image_id))
    return dict(zip(own["channel"].to_pylist(), own["rank"].to_pylist(), strict=True))


def _peaks(maps: torch.Tensor, units: Units | None) -> Peaks:
    """maps: (C, H, W)."""
    rows, columns = units or (np.arange(maps.shape[1]), np.arange(maps.shape[2]))
    inside = maps if units is None else maps[:, torch.from_numpy(rows)][:, :, torch.from_numpy(columns)]
    value, position = inside.flatten(1).max(1)
    row, column = np.divmod(position.cpu().numpy(), len(columns))
    return Peaks(value.float().cpu().numpy(), rows[row], columns[column])
