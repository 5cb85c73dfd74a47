"""A map of up to a million points in WebGL: thumbnails on hover, selection, lasso, a shared camera."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
import streamlit as st

from compute.reports.drawing import palettes
from compute.reports.drawing.coloring import CLASS_COLUMNS, Coloring
from compute.reports.maps.places import FILLED
from dashboard.components.loader import declare
from dashboard.views.definitions import PICTURES
from dashboard.views.query_text import read_numbers, write_numbers
from dashboard.views.urls import MapAddresses

_mount = declare("scatter")


class Camera(NamedTuple):
    """The part of the map that is seen.

    x, y: what is in the middle, where the map reaches from -1 to 1.
    zoom: 1 shows a height of 2; it is greater than 0.
    """

    x: float
    y: float
    zoom: float

    @classmethod
    def from_text(cls, text: str) -> "Camera | None":
        """Read a camera as a link writes it; None where there is none, or it can't be read."""
        numbers = read_numbers(text, len(cls._fields))
        return None if numbers is None or numbers[2] <= 0 else cls(*numbers)

    def to_text(self) -> str:
        """Return the camera as a link writes it."""
        return write_numbers(self)


@dataclass(frozen=True)
class Frame:
    """Where a plot puts its points: it shows (point - center) * scale, which is within -1 to 1."""

    center: np.ndarray
    scale: float

    @classmethod
    def of(cls, points: np.ndarray) -> Self:
        """Return the frame that the component gives to points (n, 2)."""
        low, high = points.min(0), points.max(0)
        return cls((low + high) / 2, 2 * FILLED / (float((high - low).max()) or 1))

    def seen_from(self, camera: Camera, other: "Frame") -> Camera:
        """Return the camera in this frame that shows what `camera` shows in the other one."""
        point = np.array([camera.x, camera.y]) / other.scale + other.center
        x, y = ((point - self.center) * self.scale).tolist()
        return Camera(x, y, camera.zoom * other.scale / self.scale)


@dataclass(frozen=True)
class ScatterEvents:
    """What the visitor did in this run of the script; None where nothing.

    clicked: an image_id.
    lasso: the image_ids within the lasso; none where it was cleared.
    highlight: a category's name; "" when it was switched off.
    pictures: one of PICTURES.
    outlined: whether clusters are outlined and named.
    cluster: the number of one whose name was clicked.
    """

    clicked: int | None = None
    lasso: tuple[int, ...] | None = None
    camera: Camera | None = None
    highlight: str | None = None
    pictures: str | None = None
    outlined: bool | None = None
    cluster: int | None = None


def scatter(
    addresses: MapAddresses,
    coloring: Coloring,
    *,
    key: str,
    palette: Sequence[str] | None = None,
    camera: Camera | None = None,
    selected: int | None = None,
    lasso: Sequence[int] = (),
    highlight: str | None = None,
    pictures: str = PICTURES[0],
    outlined: bool = False,
    titles: Mapping[str, str] = MappingProxyType({}),
    height: int = 560,
    label: str = "Map of images",
    on_event: Callable[[ScatterEvents], None] | None = None,
) -> ScatterEvents:
    """Draw the map at `addresses` and return what was done in it in this run of the script.

    coloring: one value for each image, and what it means.
    palette: a color (hex) for each category, or the steps of the color scale.
    camera: the part that is shown; None for all of it. The caller keeps it and hands it in at each run, and
        so it does with the five that follow.
    selected: an image_id.
    lasso: image_ids.
    highlight: a category.
    pictures: one of PICTURES.
    outlined: whether clusters are outlined and named.
    titles: what a class is called, in legend, card and clusters, where that isn't the class itself.
    height: in CSS pixels.
    label: names the map for screen readers.
    on_event: gets the events before the script runs, as Streamlit's own callbacks do.
    """

    def changed() -> None:
        if on_event is not None:
            on_event(_events(st.session_state[key]))

    result = _mount(
        key=key,
        data={
            **asdict(addresses),
            "legend": _legend(coloring, palette, titles),
            "unknown": palettes.UNKNOWN,
            "camera": camera,
            "selected": selected,
            "lasso": list(lasso),
            "highlight": highlight,
            "pictures": pictures,
            "outlined": outlined,
            "titles": list(titles.items()),
            "height": height,
            "label": label,
        },
        height=height,
        on_clicked_change=changed,
        on_lasso_change=changed,
        on_camera_change=changed,
        on_highlight_change=changed,
        on_pictures_change=changed,
        on_outlined_change=changed,
        on_cluster_change=changed,
    )
    return _events(result)


def _legend(coloring: Coloring, palette: Sequence[str] | None, titles: Mapping[str, str]) -> dict[str, Any]:
    legend: dict[str, Any] = {"title": coloring.title}
    if coloring.categories is None:
        ends = {"low": coloring.low, "high": coloring.high, "clipped": coloring.clipped}
        scale = {**ends, "unit": coloring.unit}
        return {**legend, **scale, "colors": palette or coloring.hues}
    colors = palette or coloring.hues
    if len(colors) != len(coloring.categories):
        raise ValueError(f"{len(colors)} colours for {len(coloring.categories)} categories")
    of_classes = titles if coloring.column in CLASS_COLUMNS else {}
    names = [of_classes.get(each, each) for each in coloring.categories]
    return {**legend, "categories": coloring.categories, "names": names, "colors": colors}


def _events(result: Any) -> ScatterEvents:
    camera, lasso = result.get("camera"), result.get("lasso")
    return ScatterEvents(
        clicked=result.get("clicked"),
        lasso=None if lasso is None else tuple(lasso),
        camera=None if camera is None else Camera(*camera),
        highlight=result.get("highlight"),
        pictures=result.get("pictures"),
        outlined=result.get("outlined"),
        cluster=result.get("cluster"),
    )
