"""A part of a channel's card: the image that gradient ascent finds for the channel."""

import streamlit as st

from compute.images.pictures import picture, png, upscaled
from compute.reports.method_result import strongest_activation
from dashboard.jobs.method_task import method_task
from dashboard.views.definitions import ChannelsView
from dashboard.views.navigation import link
from dashboard.widgets.header import Opened
from dashboard.widgets.live.run import live_result

SHORTER_SIDE = 240


def draw(opened: Opened[ChannelsView]) -> None:
    """Draw the image and how far the channel gets with it; its progress while it is made."""
    view, shown = opened.view, opened.view.in_the_lab(live=True)
    st.markdown("**What it looks for**")
    job = live_result(method_task(shown, opened.run), starts_itself=True)
    if job is None:
        return
    step = job.step
    st.image(
        png(upscaled(picture(step), SHORTER_SIDE)),
        alt=f"gradient ascent on channel {view.channel} of {view.layer}",
        width="stretch",
    )
    reached, best = step.numbers["maximum"], strongest_activation(opened.run, view.layer, view.channel)
    times = "" if not best or best <= 0 else f", **{reached / best:.1f} times** the best patch's {best:.3g}"
    st.markdown(f"The channel reaches {reached:.3g}{times}.")
    parameters = dict(shown.parameters)
    st.caption(
        f"Gradient ascent from noise: {parameters['iterations']} steps, {parameters['parameterization']} "
        f"parameterisation, seed {parameters['seed']} (Olah et al. 2017)."
    )
    link(shown, "Other settings, in the Lab")
