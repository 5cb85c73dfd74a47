"""The channels that respond unusually strongly to one image, or in a box on it: as a sheet of where in the
image they respond, as rows, and with the other images that have the same channels.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import pyarrow as pa

from compute.images.raster import Photograph
from compute.methods.base import IMAGE
from compute.reports.base import MODEL, RUN, ReportInputs, ReportSpec
from compute.reports.channels import sheet
from compute.reports.channels.picture_box import PictureBox
from compute.reports.channels.responses import (
    TOGETHER,
    Peaks,
    Response,
    layers_of,
    left_out,
    most_unusual,
    peaks_of,
    rarity_with_ties,
    stored,
    strongest,
)
from compute.reports.channels.shared_channels import Others, numbers_of, others, with_others
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import (
    EDGES,
    copies_of,
    copies_of_file,
    of_run,
    picture_of,
    preprocessing_of,
)
from compute.runtime.parameters import parameter
from featurestore.reader import Run

SCHEMA = pa.schema(
    [("layer", pa.string()), ("channel", pa.int32())]
    + [(name, pa.float32()) for name in ("value", "maximum")]
    + [("share", pa.float64())]
    + [(name, pa.int32()) for name in ("rank", "y", "x")]
    + [(name, pa.float32()) for name in EDGES]
)


@dataclass(frozen=True)
class StrongestChannelsSpec(ReportSpec):
    """The channels that respond unusually strongly to one image, or in a box on it."""

    name: ClassVar[str] = "strongest"
    title: ClassVar[str] = "Channels that respond most to an image"
    description: ClassVar[str] = (
        "Each channel's strongest response in the image, or in a box on it, ranked by how few of the store's "
        "images make it respond more strongly: the first ones of every layer, or of one, or of all together. "
        "The picture shows where in the image they respond."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({MODEL})

    layer: str = parameter("", "channels of this layer alone; of each layer where none is given")
    stored: bool = parameter(
        False, "without the network: channels that have the store's image among their strongest patches"
    )
    box: str = parameter(
        "",
        "a part of the image, LEFT,TOP,RIGHT,BOTTOM in fractions of its width and height: how strongly "
        "channels respond there",
    )
    together: bool = parameter(
        False,
        f"the {TOGETHER} most unusual channels of all layers in one list, and which other images have them "
        "among their strongest patches",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.box:
            return
        object.__setattr__(self, "box", PictureBox.from_text(self.box).to_text())
        if self.stored:
            raise ValueError(
                f"box is {self.box}, which --stored can't say anything of: the store knows where a channel "
                "responds most in a whole image; leave out one of them"
            )

    def _make(self, inputs: ReportInputs) -> Report:
        run, data, name = inputs.run, inputs.image_file(), inputs.image_name or f"image {inputs.image_id}"
        photograph, image_id = picture_of(data, name, preprocessing_of(inputs.run)), inputs.image_id
        if image_id is None:
            image_id = next(iter(copies_of(run, data)), None)
        if self.stored and image_id is None:
            raise ValueError(f"--stored asks the store alone, which has no image {name}")
        box = PictureBox.from_text(self.box) if self.box else None
        found = None if self.stored else peaks_of(run, inputs.model(), photograph, box)
        sha256 = hashlib.sha256(data).hexdigest()
        return strongest_report(run, photograph, sha256, image_id, self.layer, found, box, self.together)


def strongest_report(
    run: Run,
    photograph: Photograph,
    sha256: str,
    image_id: int | None,
    layer: str = "",
    found: Mapping[str, Peaks] | None = None,
    box: PictureBox | None = None,
    together: bool = False,
) -> Report:
    """Report on the channels that respond unusually strongly to one image, or in a box on it.

    layer: its channels alone, "" for all layers.
    found: see `peaks_of`; None for what the store alone knows of its image.
    box: in which they were found; None for the whole image.
    together: the most unusual of all layers in one list, and the other images that have them.
    ValueError for a layer that is unknown, or of which the box says nothing.

    In the table, share is that of the store's images that respond more strongly, anywhere in them; rank, from
    0, the image's place among the channel's strongest patches of the store. With `together`, the rows of
    other images come behind: other_image says which one, shared how many of the channels it has.
    """
    responses = responses_of(run, photograph, image_id, layer, found, box, together)
    asked = {"layer": layer, "from_the_store_alone": found is None}
    asked |= ({"box": box.to_text()} if box else {}) | ({"together": True} if together else {})
    rows = response_rows(responses)
    numbers = {"image_id": image_id, **asked, "channels": rows.drop_columns(list(EDGES)).to_pylist()}
    remark = left_out(layers_of(run), found) if box and found is not None and not layer else ""
    if not together:
        return Report(
            {"exhibit": "strongest", "image": sha256, **asked, **of_run(run)},
            numbers,
            lambda: sheet.by_layer(photograph, preprocessing_of(run), responses, layers_of(run), box),
            lambda: rows,
            remark=remark,
        )
    shared = shared_with(run, responses, image_id, sha256)
    return Report(
        {"exhibit": "strongest", "image": sha256, **asked, **of_run(run)},
        numbers | numbers_of(shared),
        lambda: sheet.together(photograph, run, responses, shared, box),
        lambda: with_others(rows, shared),
        remark=remark,
    )


def responses_of(
    run: Run,
    photograph: Photograph,
    image_id: int | None,
    layer: str,
    found: Mapping[str, Peaks] | None,
    box: PictureBox | None,
    together: bool,
) -> list[Response]:
    """Return what a report lists; the arguments and errors are those of `strongest_report`."""
    if found is None:
        known = stored(run, image_id, layer)
        return sorted(known, key=rarity_with_ties)[:TOGETHER] if together else known
    # The place among the strongest patches is that of the whole image.
    asked = run, layer, found, None if box else image_id, photograph.size
    return most_unusual(*asked).channels if together else strongest(*asked)


def shared_with(run: Run, responses: list[Response], image_id: int | None, sha256: str) -> Others:
    """Return the other images that have these channels, without the image itself and its copies.

    sha256: of the image's file.
    """
    own = {*copies_of_file(run, sha256), *([] if image_id is None else [image_id])}
    return others(run, [(each.layer, each.channel) for each in responses], own)


def response_rows(responses: list[Response]) -> pa.Table:
    """Return one response a row; its edges are those of the box of the network's input that its unit sees."""
    return pa.Table.from_pylist([_row(each) for each in responses], SCHEMA)


def _row(response: Response) -> dict:
    row = asdict(response)
    return row | dict(zip(EDGES, row.pop("box") or [None] * len(EDGES), strict=True))
