"""A part of a channel's card: the picture that gradient ascent finds, kept in the store or made live."""

import numpy as np
import streamlit as st

from compute.images.pictures import picture, png, upscaled
from compute.reports.channels.showcase import Kept, made_by, said_of
from compute.reports.live.result import strongest_activation
from dashboard.data import runs
from dashboard.data.channels import showcase
from dashboard.jobs.method_task import method_task
from dashboard.text import plain
from dashboard.views.definitions import ChannelsView
from dashboard.views.navigation import link
from dashboard.widgets.header import Opened
from dashboard.widgets.live.run import live_result

SHORTER_SIDE = 240


def has_picture(opened: Opened[ChannelsView]) -> bool:
    """Return whether there is a picture to draw: one that the store keeps, or one that is asked for."""
    view = opened.view
    return view.ascent or view.channel in showcase.channels(opened.run, view.layer)


def draw(opened: Opened[ChannelsView]) -> None:
    """Draw the picture and how far the channel gets with it; the progress of one that is made live.

    What the store keeps stands in for one that is asked for where no method runs live.
    """
    view = opened.view
    st.markdown("**What it looks for**")
    kept = showcase.kept(opened.run, view.layer, view.channel)
    if kept is None or (view.ascent and runs.settings().live):
        _live(opened)
    else:
        _of_store(opened, kept)


def _live(opened: Opened[ChannelsView]) -> None:
    shown = opened.view.in_the_lab(live=True)
    job = live_result(method_task(shown, opened.run), starts_itself=True)
    if job is None:
        return
    numbers = job.step.numbers
    _picture(opened, picture(job.step), numbers["maximum"], numbers["dead"])
    st.caption(plain(made_by(dict(shown.parameters))))
    link(shown, "Other settings, in the Lab")


def _of_store(opened: Opened[ChannelsView], kept: Kept) -> None:
    _picture(opened, kept.pixels, kept.value, kept.dead)
    st.caption(f"{plain(made_by(kept.parameters))} Kept in the store.")
    link(opened.view.in_the_lab(made_with=kept.parameters), "Other settings, in the Lab")


def _picture(opened: Opened[ChannelsView], pixels: np.ndarray, reached: float, dead: bool) -> None:
    view = opened.view
    st.image(
        png(upscaled(pixels, SHORTER_SIDE)),
        alt=f"gradient ascent on channel {view.channel} of {view.layer}",
        width="stretch",
    )
    st.markdown(said_of(reached, dead, strongest_activation(opened.run, view.layer, view.channel)))
