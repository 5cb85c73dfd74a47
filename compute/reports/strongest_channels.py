"""The channels that answer unusually strongly to one image: where in it they do, as a sheet and as rows."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pyarrow as pa
from PIL import Image

from compute.analysis.channel_ranking import Peaks, peaks
from compute.images.pictures import resized, window
from compute.models.model import Model
from compute.reports.answers import Answer, layers_of, stored, strongest
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.report import Drawing
from compute.reports.drawing.run_images import of_run
from featurestore.reader import Run

SIDE, GAP, TITLE, CAPTION = 96, 12, 20, 20
COLUMNS = 8
EDGES = ("left", "top", "right", "bottom")
SCHEMA = pa.schema(
    [("layer", pa.string()), ("channel", pa.int32())]
    + [(name, pa.float32()) for name in ("value", "maximum")]
    + [("share", pa.float64())]
    + [(name, pa.int32()) for name in ("rank", "y", "x")]
    + [(name, pa.float32()) for name in EDGES]
)


def peaks_of(run: Run, model: Model, photograph: Image.Image) -> dict[str, Peaks]:
    """Of every layer of the run, from one forward pass."""
    return peaks(model, model.prepare(photograph), layers_of(run))


def strongest_drawing(
    run: Run,
    photograph: Image.Image,
    sha256: str,
    image_id: int | None,
    layer: str = "",
    found: Mapping[str, Peaks] | None = None,
) -> Drawing:
    """layer: of this one alone. found: see `peaks_of`; without it, what the store alone knows of its image.

    The table's share is of the store's images that answer more strongly; rank, from 0, the image's place
    among the channel's strongest patches of the store. ValueError for an unknown layer.
    """
    if found is None:
        answers = stored(run, image_id, layer)
    else:
        answers = strongest(run, layer, found, image_id, photograph.size)
    asked = {"layer": layer, "from_the_store_alone": found is None}
    rows = pa.Table.from_pylist([_row(answer) for answer in answers], SCHEMA)
    return Drawing(
        {"exhibit": "strongest", "image": sha256, **asked, **of_run(run)},
        {"image_id": image_id, **asked, "channels": rows.drop_columns(list(EDGES)).to_pylist()},
        lambda: _sheet(photograph, answers, layers_of(run)),
        lambda: rows,
    )


def place(answer: Answer) -> str:
    """Among the store's images, in words."""
    return "strongest" if answer.share == 0 else f"top {max(answer.share, 0.001):.1%}"


def _row(answer: Answer) -> dict:
    row = asdict(answer)
    return row | dict(zip(EDGES, row.pop("box") or [None] * len(EDGES), strict=True))


def _sheet(photograph: Image.Image, answers: list[Answer], layers: tuple[str, ...]) -> np.ndarray:
    """A row or some for each layer, under its name; below each patch the channel and its place."""
    if not answers:
        raise ValueError("no channel answers to this image, so there is no picture of one")
    image = np.asarray(photograph.convert("RGB"), np.float32) / 255
    by_layer = [[answer for answer in answers if answer.layer == layer] for layer in layers]
    rows = [each[at : at + COLUMNS] for each in by_layer for at in range(0, len(each), COLUMNS)]
    width, height = max(map(len, rows)) * (SIDE + GAP) + GAP, len(rows) * (TITLE + SIDE + CAPTION)
    sheet, figure = np.ones((height, width, 3), np.float32), canvas(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    for down, row in enumerate(rows):
        top = down * (TITLE + SIDE + CAPTION) + TITLE
        axes.text(GAP, top - 3, row[0].layer, size=8, weight="bold", va="bottom")
        for across, answer in enumerate(row):
            left = GAP + across * (SIDE + GAP)
            seen = image if answer.box is None else window(image, answer.box)
            sheet[top : top + SIDE, left : left + SIDE] = resized(seen, SIDE)
            axes.text(left, top + SIDE + 2, f"{answer.channel}: {place(answer)}", size=7, va="top")
    axes.imshow(sheet, extent=(0, width, height, 0), aspect="auto", interpolation="nearest")
    return rendered(figure)
