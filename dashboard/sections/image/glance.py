"""The tab At a glance of the Image page.

It shows where occlusion and saliency point, the object cut out, the nearest images and the strongest
channels.
"""

import dataclasses
from collections.abc import Callable

import streamlit as st

from compute.images.pictures import picture, png, to_8_bit, upscaled
from compute.methods import METHODS
from compute.reports.live.legend import scale_of
from compute.reports.occlusion_map import has_maps
from dashboard.data import runs
from dashboard.data.photographs import ChosenImage
from dashboard.findings.names import names_of
from dashboard.jobs.method_task import method_task
from dashboard.sections.image import occlusion, strongest_channels
from dashboard.sections.image.neighbors import strip
from dashboard.sections.image.occlusion import PREVIEW
from dashboard.text import plain, sentence
from dashboard.views.definitions import ImageView
from dashboard.views.image_tabs import (
    CHANNELS,
    NEIGHBORS,
    OCCLUSION,
    SALIENCY,
    SEGMENTATION,
    TABS,
)
from dashboard.views.navigation import PAGES, link
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened
from dashboard.widgets.live.run import live_result

SHOWN, SIDE = 8, 84
"""Images in a row, and their side in CSS pixels."""


def draw(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    """Draw the tab."""
    refused = runs.refusal(opened.run)
    parts: dict[str, Callable[[], object]] = {
        OCCLUSION: lambda: _occlusion(opened, chosen, refused),
        SALIENCY: lambda: _method(opened, chosen, SALIENCY, refused),
        SEGMENTATION: lambda: _method(opened, chosen, SEGMENTATION, refused),
    }
    for column, (tab, part) in zip(st.columns(len(parts), gap="small"), parts.items(), strict=True):
        with column:
            link(opened.view.on_tab(tab), TABS[tab], ":material/open_in_full:")
            with boundary():
                part()
    if refused is not None:
        st.info(sentence(refused), icon=":material/lock:")
    link(opened.view.on_tab(NEIGHBORS), TABS[NEIGHBORS], PAGES["neighbors"].icon)
    known = chosen.image_id is not None or refused is None
    if known:
        with boundary():
            strip(opened, chosen, "feature", SHOWN, size=SIDE)
    if runs.choices(opened.run).layers:
        link(opened.view.on_tab(CHANNELS), TABS[CHANNELS], PAGES["channels"].icon)
        if known:
            with boundary():
                strongest_channels.strip(opened, chosen, SHOWN, SIDE)


def _occlusion(opened: Opened[ImageView], chosen: ChosenImage, refused: str | None) -> None:
    """Draw the store's map; one that is coarser than a live map only until that is there."""
    stored = has_maps(opened.run, chosen.image_id)
    suffices = stored and (refused is not None or occlusion.is_as_fine_as_live(opened.run, chosen.image_id))
    is_made = not suffices and _method(opened, chosen, OCCLUSION, refused)
    if stored and not is_made:
        content, said = occlusion.preview(opened.run, chosen.image_id)
        _show(content, said, f"occlusion of {chosen.name}")


def _method(opened: Opened[ImageView], chosen: ChosenImage, tab: str, refused: str | None) -> bool:
    """Draw what the tab's method makes; return whether it is there."""
    if refused is not None:
        st.caption("Needs the network.")
        return False
    view = dataclasses.replace(opened.view.on_tab(tab), source="live")
    job = live_result(method_task(view, opened.run), starts_itself=True)
    if job is None:
        return False
    step = job.step
    shown = step.pictures.get("overlay")
    content = picture(step) if shown is None else to_8_bit(shown)
    variant = f" ({step.numbers['variant']})" if tab == SALIENCY else ""
    target = names_of(opened.run).class_title(step.numbers["class"])
    said = f"{METHODS[view.method].title}{variant} for {target}"
    if (scale := scale_of(step.numbers, view.built())) is not None:
        said = occlusion.costs(target, scale)
    if step.numbers.get("failed"):
        said = f"No outline: {step.numbers['failed']}"
    _show(png(upscaled(content, PREVIEW)), said, f"{TABS[tab]} of {chosen.name}")
    return True


def _show(content: bytes, caption: str, alt: str) -> None:
    st.image(content, caption=plain(caption), alt=alt, width="stretch")
