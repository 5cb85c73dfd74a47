"""One image as both networks see it, explained side by side: saliency, occlusion, strongest channels.

What is drawn on both sides is drawn in one scale. An error on one side, or a network that may not be used,
leaves the other its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import streamlit as st

from compute.images.pictures import overlay, png, ramp, to_8_bit, upscaled
from compute.occlusion.drawing import PROBABILITY, Shading, at_pixels
from compute.reports.compare.explained import CHANNEL_COUNT, METHOD, shared_ends, shared_scale
from compute.reports.drawing.run_images import preprocessing_of
from compute.reports.occlusion_map import has_maps, shading_of
from dashboard.data import runs
from dashboard.data.comparison import Pair
from dashboard.data.photographs import ChosenImage
from dashboard.findings.names import names_of
from dashboard.jobs.method_task import method_task
from dashboard.jobs.result import Result
from dashboard.sections.image import strongest_channels
from dashboard.sections.image.occlusion import MEANING, PREVIEW, crop
from dashboard.sharing.downloads.explained import saliency_view
from dashboard.text import plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import CompareView, ImageView
from dashboard.views.image_tabs import CHANNELS, OCCLUSION, SALIENCY
from dashboard.views.navigation import link
from dashboard.widgets import figures
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened
from dashboard.widgets.live.run import live_result
from featurestore.reader import Run

WIDTH, TILE = 320, 84
"""Of a picture and of a channel's patch, in CSS pixels."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Side:
    """One of the two networks, and the image in its run.

    place: 0 of the first run, 1 of the other.
    name: of the network, its store or its run, whatever tells the two apart.
    """

    place: int
    name: str
    store: str
    run: Run
    image_id: int

    def view(self, tab: str) -> ImageView:
        """Return the view of the image on a tab of its page."""
        return ImageView(self.store, self.run.fingerprint, image=self.image_id).on_tab(tab)

    @property
    def chosen(self) -> ChosenImage:
        return ChosenImage.of(self.run, self.image_id)


def draw(pair: Pair, row: int) -> None:
    """Draw the toggle and, once it is on, the parts; nothing is computed before.

    row: of the shared images.
    """
    st.toggle(
        "Explain side by side",
        key=binding.key(CompareView, "explain"),
        help="Both networks' saliency, which is computed now, their stored occlusion maps and their "
        "strongest channels, in one scale",
    )
    if not pair.view.explain:
        return
    ids = int(pair.matched.ids[row]), int(pair.matched.other_ids[row])
    stores = pair.view.store, pair.view.other_store
    places = zip((0, 1), pair.names, stores, pair.runs, ids, strict=True)
    sides = tuple(Side(*each) for each in places)
    for title, part in (
        ("Saliency", _saliency),
        ("Occlusion", _occlusion),
        ("Strongest channels", _channels),
    ):
        st.subheader(title, anchor=False)
        with boundary():
            part(sides)


def _saliency(sides: tuple[Side, ...]) -> None:
    columns, found = _of_both(sides, _salient)
    if not found:
        return
    low, high = shared_ends([result.data for result in found.values()])
    for side, result in found.items():
        with columns[side.place], boundary():
            values = np.asarray(result.data)
            content = to_8_bit(overlay(crop(side.run, side.image_id), values, low, high))
            target = names_of(side.run).class_title(result.numbers["class"])
            said = f"{METHOD.variant} for {target}, greatest {values.max():.3g}"
            _show(side, content, said, "saliency")
            link(side.view(SALIENCY), "Saliency on its page", ":material/open_in_full:")
    _legend((ramp(low), low, high), METHOD.unit, len(found))


def _salient(side: Side) -> Result | None:
    """None while it is computed, or where it can't be, which is said."""
    if not _is_usable(side.run):
        return None
    view = saliency_view(side.store, side.run, side.image_id)
    job = live_result(method_task(view, side.run), starts_itself=True)
    return None if job is None else job.step


def _occlusion(sides: tuple[Side, ...]) -> None:
    columns, found = _of_both(sides, _occluded)
    if not found:
        return
    scale = shared_scale([shading for shading, _ in found.values()])
    for side, (shading, target) in found.items():
        with columns[side.place], boundary():
            size = preprocessing_of(side.run).size
            changes = at_pixels(shading.changes, shading.ys, shading.xs, size)
            content = to_8_bit(scale.over(crop(side.run, side.image_id), changes))
            said = f"probability of {target} ({shading.unoccluded:.1%}), {shading.scale.in_words}"
            _show(side, content, said, "occlusion")
            link(side.view(OCCLUSION), "Occlusion on its page", ":material/open_in_full:")
    _legend(scale.legend, f"change of the probability, {scale.unit}", len(found))
    st.caption(f"{MEANING}.")


def _occluded(side: Side) -> tuple[Shading, str] | None:
    if not has_maps(side.run, side.image_id):
        st.caption(
            "The store holds no occlusion map of this image: `python -m compute store --stages occlusion …` "
            "makes them."
        )
        return None
    maps = side.run.occlusion(side.image_id)
    return shading_of(maps, PROBABILITY, preprocessing_of(side.run).size), maps["target"]


def _channels(sides: tuple[Side, ...]) -> None:
    st.caption(
        "Ranked by how few of the store's images make a channel respond more strongly, which means the same "
        "for every channel of both networks."
    )

    def strip(side: Side) -> None:
        if not runs.choices(side.run).layers:
            st.caption("This network has no layers with maps, so it has no channels.")
            return
        refused = runs.refusal(side.run)
        if refused is not None:
            st.caption(f"{plain(sentence(refused))} These are known from the store.")
        opened = Opened(side.view(CHANNELS), side.run)
        key = f"compare/strongest/{side.place}"
        strongest_channels.strip(opened, side.chosen, CHANNEL_COUNT, TILE, key)
        link(side.view(CHANNELS), "Strongest channels on its page", ":material/open_in_full:")

    _of_both(sides, strip)


def _of_both(sides: tuple[Side, ...], find: Callable[[Side], Found | None]) -> tuple[list, dict[Side, Found]]:
    """Return a column for each side, and what was found of those where there was something to find."""
    columns, found = st.columns(len(sides), gap="medium"), {}
    for side in sides:
        with columns[side.place]:
            st.markdown(f"**{plain(side.name)}**")
            with boundary():
                value = find(side)
                if value is not None:
                    found[side] = value
    return columns, found


def _is_usable(run: Run) -> bool:
    """Return whether the network may be used; where not, say why."""
    if (refused := runs.refusal(run)) is not None:
        st.info(sentence(refused), icon=":material/lock:")
    return refused is None


def _show(side: Side, content: np.ndarray, said: str, what: str) -> None:
    alt = f"{what} of image {side.image_id} by {side.name}"
    st.image(png(upscaled(content, PREVIEW)), caption=plain(said), alt=alt, width=WIDTH)


def _legend(scale: tuple[tuple[str, ...], float, float], unit: str, count: int) -> None:
    figure = figures.color_bar(*scale, unit)
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=f"what the colours mean: {unit}")
    _, low, high = scale
    both = "One scale for both" if count > 1 else "The scale of this side alone"
    st.caption(f"{both}: {low:.3g} to {high:.3g} {unit}.")
