"""Sheets of channels: where in an image each responds, and the other images that have the same channels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compute.images.pictures import resized, window
from compute.images.preprocessing import Box, Preprocessing
from compute.images.raster import Photograph, shown
from compute.reports.channels.picture_box import PictureBox
from compute.reports.channels.responses import Response, place, place_with_ties
from compute.reports.channels.shared_channels import OtherImage, Others
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.run_images import preprocessing_of, thumbnails
from featurestore.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE, LARGE, GAP, TITLE, CAPTION = 96, 300, 12, 20, 20
COLUMNS = 8
MARK, AROUND = "#ffd400", "#202020"
"""Of a box: its line, and a darker one around it that shows on bright pictures."""


@dataclass(frozen=True)
class _Tile:
    """A picture (side, side, 3) in [0, 1], what stands below it, and boxes on it in pixels of the tile."""

    picture: np.ndarray
    caption: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class _Row:
    """Tiles of one size side by side, below a title."""

    title: str
    tiles: tuple[_Tile, ...]
    side: int = SIDE


def by_layer(
    photograph: Photograph,
    preprocessing: Preprocessing,
    responses: Sequence[Response],
    layers: Iterable[str],
    box: PictureBox | None = None,
) -> np.ndarray:
    """Draw a row or some for each layer, under its name; below each patch the channel and its place.

    box: in which they respond; it is drawn on the photograph, above the rows.
    """
    image = _pixels(photograph)
    rows = [] if box is None else [_whole(image, box)]
    for layer in layers:
        of_layer = [each for each in responses if each.layer == layer]
        tiles = [
            _Tile(_patch(image, preprocessing, each), f"{each.channel}: {place(each)}") for each in of_layer
        ]
        rows += _wrapped(layer, tiles)
    return _drawn(rows, responses)


def together(
    photograph: Photograph,
    run: Run,
    responses: Sequence[Response],
    shared: Others,
    box: PictureBox | None = None,
) -> np.ndarray:
    """Draw the photograph with the box, the channels in one list, and the other images that have them."""
    image, preprocessing = _pixels(photograph), preprocessing_of(run)
    captions = [f"{each.channel}: {place_with_ties(each)}\n{_short(each.layer)}" for each in responses]
    patches = [_patch(image, preprocessing, each) for each in responses]
    channels = [_Tile(*each) for each in zip(patches, captions, strict=True)]
    others = f"Other images in which most of these {shared.channels} channels are strongest"
    rows = [
        _whole(image, box),
        *_wrapped("Channels that respond most unusually", channels, again=False),
        *_wrapped(others, _images(run, shared.images), again=False),
    ]
    return _drawn(rows, responses)


def side_by_side(
    parts: Sequence[tuple[str, Photograph, Preprocessing, Sequence[Response]]],
) -> np.ndarray:
    """Draw a row for each network's view of one image: title, photograph, preprocessing, responses.

    Below each patch its channel and its place, and its layer. ValueError where none has a response.
    """
    rows = []
    for title, photograph, preprocessing, responses in parts:
        image = _pixels(photograph)
        captions = [f"{each.channel}: {place_with_ties(each)}\n{_short(each.layer)}" for each in responses]
        patches = [_patch(image, preprocessing, each) for each in responses]
        rows += _wrapped(title, [_Tile(*each) for each in zip(patches, captions, strict=True)])
    return _drawn(rows, [each for *_, responses in parts for each in responses])


def _pixels(photograph: Photograph) -> np.ndarray:
    return np.asarray(shown(photograph).convert("RGB"), np.float32) / 255


def _whole(image: np.ndarray, box: PictureBox | None) -> _Row:
    height, width = image.shape[:2]
    boxes = () if box is None else (_in_tile(box.on(width, height), width, height, LARGE),)
    title = "The image" if box is None else f"The image, and the box {box.to_text()}"
    return _Row(title, (_Tile(resized(image, LARGE), "", boxes),), LARGE)


def _patch(image: np.ndarray, preprocessing: Preprocessing, response: Response) -> np.ndarray:
    """What the response's unit sees of the image; all of it where that is not known."""
    height, width = image.shape[:2]
    box = response.box and preprocessing.seen_box(response.box, width, height)
    return resized(image if box is None else window(image, box), SIDE)


def _images(run: Run, images: Sequence[OtherImage]) -> list[_Tile]:
    ids = [each.image_id for each in images]
    sizes = run.rows("images", ids, ("width", "height")).to_pylist()
    preprocessing = preprocessing_of(run)
    tiles = []
    for image, size, thumbnail in zip(images, sizes, thumbnails(run, ids, SIDE), strict=True):
        width, height = size["width"], size["height"]
        seen = [preprocessing.seen_box(each.box, width, height) for each in image.patches if each.box]
        boxes = tuple(_in_tile(each, width, height, SIDE) for each in seen)
        tiles.append(_Tile(thumbnail, f"{len(image.patches)}: image {image.image_id}", boxes))
    return tiles


def _in_tile(box: Box, width: int, height: int, side: int) -> Box:
    """A box on a picture of this size in pixels of the square tile that the picture is fitted into."""
    scale = side / max(width, height)
    left, top = ((side - length * scale) / 2 for length in (width, height))
    moved = np.add(np.multiply(box, scale), (left, top, left, top))
    x0, y0, x1, y1 = np.clip(moved, 1, side - 1).tolist()
    return x0, y0, x1, y1


def _short(layer: str) -> str:
    """As much of a layer's name as stands below a tile: its end, which says most."""
    return layer if len(layer) <= 18 else f"…{layer[-17:]}"


def _wrapped(title: str, tiles: Sequence[_Tile], again: bool = True) -> list[_Row]:
    """again: whether each of the rows has the title, else the first alone."""
    return [
        _Row(title if again or not at else "", tuple(tiles[at : at + COLUMNS]))
        for at in range(0, len(tiles), COLUMNS)
    ]


def _drawn(rows: Sequence[_Row], responses: Sequence[Response]) -> np.ndarray:
    if not responses:
        raise ValueError("no channel responds to this image, so there is no picture of one")
    heights = [TITLE + row.side + _caption_height(row) for row in rows]
    width = max(len(row.tiles) * (row.side + GAP) for row in rows) + GAP
    sheet, figure = np.ones((sum(heights), width, 3), np.float32), canvas(width, sum(heights))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    for row, end in zip(rows, np.cumsum(heights).tolist(), strict=True):
        top = end - row.side - _caption_height(row)
        axes.text(GAP, top - 3, row.title, size=8, weight="bold", va="bottom")
        for across, tile in enumerate(row.tiles):
            left = GAP + across * (row.side + GAP)
            sheet[top : top + row.side, left : left + row.side] = tile.picture
            axes.text(left, top + row.side + 2, tile.caption, size=7, va="top")
            for each in tile.boxes:
                _mark(axes, each, left, top)
    axes.imshow(sheet, extent=(0, width, sum(heights), 0), aspect="auto", interpolation="nearest")
    axes.set(xlim=(0, width), ylim=(sum(heights), 0))
    return rendered(figure)


def _mark(axes: "Axes", box: Box, left: float, top: float) -> None:
    """Draw a box of the tile whose corner is at (left, top)."""
    x = left + np.array([box[0], box[2], box[2], box[0], box[0]])
    y = top + np.array([box[1], box[1], box[3], box[3], box[1]])
    for color, line in ((AROUND, 2.4), (MARK, 1.2)):
        axes.plot(x, y, color=color, linewidth=line, solid_joinstyle="miter")


def _caption_height(row: _Row) -> int:
    lines = max(tile.caption.count("\n") + bool(tile.caption) for tile in row.tiles)
    return CAPTION + 10 * max(0, lines - 1)
