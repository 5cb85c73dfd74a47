"""A channel of a run: its statistics and the patches that activate it most, cut from thumbnails."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.notebook import html
from featurestore.notebook.images import fitted

if TYPE_CHECKING:
    from featurestore.reader import Run

SIDE = 96
"""Of a patch, in CSS pixels."""

LARGEST = 4000
"""CSS pixels to which a thumbnail is enlarged at most: of a smaller patch the box alone is shown."""

EDGES = ("left", "top", "right", "bottom")


class Channel:
    """A channel of a layer, which shows itself in a notebook.

    patches: its rows of `top_patches`, by rank.
    ValueError, with the choices, for a layer or channel that there is not.
    """

    def __init__(self, run: "Run", layer: str, channel: int):
        self.run, self.layer, self.channel = run, layer, channel
        self.patches: pa.Table = run.top_patches(layer, channel)

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """Its row of `channels`: mean, max, whether it is dead, its class; {} where the run has none."""
        if "channels" not in self.run.tables():
            return {}
        rows = self.run.select("channels", self.layer, self.channel)
        return rows.drop_columns(["layer", "channel"]).slice(0, 1).to_pylist()[0] if len(rows) else {}

    def __repr__(self) -> str:
        return f"<channel {self.channel} of {self.layer!r}, run {self.run.fingerprint}>"

    @html.never_raising
    def _repr_html_(self) -> str:
        title = f"{html.text(self.layer)} channel {self.channel}"
        names = ("mean", "max", "active_share", "selectivity", "top_class", "dead")
        said = {
            name: html.text(html.spoken(self.statistics[name])) for name in names if name in self.statistics
        }
        note = html.quiet(
            "The patches that activate it most, from thumbnails; below each where it lies in its image."
        )
        return html.card(title, html.facts(said), html.or_reason(self._patches), note)

    def _patches(self) -> str:
        names = ("path", "label", "width", "height", "thumbnail")
        images = self.run.rows("images", self.patches["image_id"].to_numpy(), names).to_pylist()
        left, tiles = html.MOST_BYTES, []
        for patch, image in zip(self.patches.to_pylist(), images, strict=True):
            content = (image["thumbnail"] or {}).get("bytes")
            left -= 2 * len(content or b"")
            tiles.append(_tile(patch, image, content if left >= 0 else None))
        return html.row(tiles)


def _tile(patch: Mapping[str, Any], image: Mapping[str, Any], content: bytes | None) -> str:
    said = html.quiet(f"{patch['value']:.4g}, image {patch['image_id']}<br>{html.text(image['path'], 40)}")
    if content is None:
        return f'<div style="width:{SIDE}px">{html.quiet("no thumbnail")}{said}</div>'
    shown = html.or_reason(lambda: cut(patch, image, content) + placed(patch, image, content))
    return f'<div style="width:{SIDE}px;overflow-wrap:anywhere">{shown}{said}</div>'


def cut(patch: Mapping[str, Any], image: Mapping[str, Any], content: bytes) -> str:
    """Return a patch cut from its image's thumbnail, grey beyond the border; "" where that can't be drawn.

    Its box is in pixels of the original, of which the thumbnail is the whole.
    """
    box = [patch[edge] for edge in EDGES]
    if None in box:
        return ""
    left, top, right, bottom = box
    scale = SIDE / max(right - left, bottom - top, 1)
    width, height = image["width"] * scale, image["height"] * scale
    if max(width, height) > LARGEST:
        return ""
    frame = f"width:{(right - left) * scale:.1f}px;height:{(bottom - top) * scale:.1f}px"
    at = f"position:absolute;left:{-left * scale:.1f}px;top:{-top * scale:.1f}px"
    shown = html.picture(content, image["path"], f"{at};width:{width:.1f}px;height:{height:.1f}px")
    return f'<div style="position:relative;overflow:hidden;background:#808080;{frame}">{shown}</div>'


def placed(patch: Mapping[str, Any], image: Mapping[str, Any], content: bytes) -> str:
    """Return the thumbnail with the patch's box on it."""
    size = fitted(image, SIDE)
    shown = html.picture(content, image["path"], size)
    box = [patch[edge] for edge in EDGES]
    frame = ""
    if None not in box:
        left, top, right, bottom = box
        sides = {
            "left": left / image["width"],
            "top": top / image["height"],
            "width": (right - left) / image["width"],
            "height": (bottom - top) / image["height"],
        }
        css = ";".join(f"{name}:{100 * share:.1f}%" for name, share in sides.items())
        lines = "border:2px solid #ff9800;box-sizing:border-box"
        frame = f'<div style="position:absolute;{css};{lines}"></div>'
    return f'<div style="position:relative;overflow:hidden;margin-top:4px;{size}">{shown}{frame}</div>'
