"""Images of a run as objects that show themselves: one with its prediction, or many as a wall."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa

from featurestore.notebook import html
from featurestore.schemas import TABLES

if TYPE_CHECKING:
    from featurestore.reader import Run

SIDE, TILE = 160, 88
"""Of one image and of an image in a wall, in CSS pixels."""

WALL = 24
FURTHER = 8
"""Columns of the list of images that are shown."""

RIGHT, WRONG = "✓ right", "✗ wrong"


class StoredImage(dict):
    """An image of a run: its row of `images`, a dict as before, that shows itself in a notebook.

    run: the run that it is of. Pickled or copied, it is the plain dict.
    """

    def __init__(self, run: "Run", row: Mapping[str, Any]):
        super().__init__(row)
        self.run = run

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)

    @property
    def thumbnail(self) -> bytes:
        """The encoded thumbnail (PNG or JPEG). ValueError where the image could not be read."""
        return self.run.thumbnail(self["image_id"])

    @html.never_raising
    def _repr_html_(self) -> str:
        shown = html.or_reason(lambda: html.picture(self.thumbnail, self["path"], fitted(self, SIDE)))
        return html.card(
            f"image {self['image_id']}: {html.text(self['path'])}",
            html.row(
                [shown, f'<div style="flex:1">{html.facts(self._facts())}{self._most_probable()}</div>']
            ),
        )

    def _facts(self) -> dict[str, str]:
        found = {"label": html.text(html.spoken(self["label"]))}
        if self["predicted"] is not None:
            verdict = {True: f", {RIGHT}", False: f", {WRONG}"}.get(self["correct"], "")
            found["predicted"] = f"{html.text(self['predicted'])}, {percent(self['probability'])}{verdict}"
        if self["loss"] is not None:
            found["loss"] = f"{self['loss']:.4g} nat"
        if self["width"] is not None:
            found["size"] = f"{self['width']} × {self['height']} pixels"
        if self["split"] is not None:
            found["split"] = html.text(self["split"])
        return found | {name: html.text(value) for name, value in self._further().items()}

    def _further(self) -> dict[str, str]:
        """What the list of images says of it besides."""
        names = list(self.run.manifest.columns)[:FURTHER] if "columns" in self.run.tables() else []
        values = {
            name: self.run.select("columns", name, self["image_id"], columns=["text"]) for name in names
        }
        return {name: found["text"][0].as_py() for name, found in values.items() if len(found)}

    def _most_probable(self) -> str:
        """A bar for each of the most probable classes."""
        bars = "".join(
            f"<div>{html.text(each['class'], 40)}</div>{_bar(each['probability'])}"
            f"<div>{percent(each['probability'])}</div>"
            for each in self["top5"] or ()
        )
        grid = "display:grid;grid-template-columns:max-content 160px max-content;column-gap:10px"
        return f'<div style="{grid};align-items:center;margin-top:6px">{bars}</div>' if bars else ""


class StoredImages(Sequence[StoredImage]):
    """Images of a run, in an order, that show themselves as a wall of thumbnails.

    ids: (n,) their image_ids, int64.
    """

    def __init__(self, run: "Run", ids: Sequence[int] | np.ndarray):
        self.run = run
        self.ids = np.asarray(ids, np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> StoredImage: ...

    @overload
    def __getitem__(self, at: slice) -> "StoredImages": ...

    def __getitem__(self, at: int | slice) -> "StoredImage | StoredImages":
        if isinstance(at, slice):
            return StoredImages(self.run, self.ids[at])
        return self.run.image(int(self.ids[at]))

    def __iter__(self) -> Iterator[StoredImage]:
        return (self.run.image(int(each)) for each in self.ids)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of `images`, in their order; without `columns` all but the thumbnail."""
        known = [name for name in TABLES["images"].names if name != "thumbnail"]
        return self.run.rows("images", self.ids, known if columns is None else columns)

    def __repr__(self) -> str:
        return f"<{counted(len(self))} of run {self.run.fingerprint}>"

    @html.never_raising
    def _repr_html_(self) -> str:
        said = f"{counted(len(self))} of run {html.text(self.run.fingerprint)}"
        rest = len(self) - WALL
        more = [html.quiet(f"and {rest:,} more")] if rest > 0 else []
        return html.card(said, wall(self.run, self.ids[:WALL]), *more)


def wall(run: "Run", ids: Sequence[int] | np.ndarray) -> str:
    """Return thumbnails with prediction and image_id, as many as a card has room for."""
    tiles, left = [], html.MOST_BYTES
    names = ("image_id", "path", "label", "predicted", "correct", "width", "height", "thumbnail")
    for each in run.rows("images", ids, names).to_pylist():
        content = (each["thumbnail"] or {}).get("bytes")
        left -= len(content or b"")
        tiles.append(_tile(each, content if left >= 0 else None, "no room" if content else "not readable"))
    return html.row(tiles)


def _tile(image: Mapping[str, Any], content: bytes | None, without: str) -> str:
    shown = html.quiet(without)
    if content is not None:
        shown = html.or_reason(lambda: html.picture(content, image["path"], fitted(image, TILE)))
    mark = {True: " ✓", False: " ✗"}.get(image["correct"], "")
    said = html.quiet(f"{image['image_id']}{mark}<br>{html.text(html.spoken(image['predicted']), 24)}")
    return f'<div style="width:{TILE}px;overflow-wrap:anywhere">{shown}{said}</div>'


def fitted(image: Mapping[str, Any], side: int) -> str:
    """Return the CSS of an image's size, its longer side `side` pixels."""
    width, height = image["width"] or 1, image["height"] or 1
    scale = side / max(width, height)
    return f"width:{max(1, round(width * scale))}px;height:{max(1, round(height * scale))}px"


def percent(share: float | None) -> str:
    """Return a share in percent; only a whole one is 100%."""
    if share is None:
        return "–"
    said = f"{share:.1%}"
    return ">99.9%" if said == "100.0%" and share < 1 else said


def counted(number: int, noun: str = "image") -> str:
    """Return a number of things in words: 1 image, 1,000 images."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _bar(share: float | None) -> str:
    length = 100 * min(max(share or 0.0, 0.0), 1.0)
    return f'<div style="background:currentColor;opacity:0.5;height:8px;width:{length:.1f}%"></div>'
