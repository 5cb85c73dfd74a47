"""A finished live result on a page: its pictures, what their colors mean, its numbers, how it was made."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import streamlit as st

from compute.images.pictures import RESULT, ends, picture, png, ramp, to_8_bit, upscaled
from compute.methods.base import Method, Step
from compute.reports.drawing.run_images import preprocessing_of
from compute.reports.live.legend import scale_of
from compute.reports.live.result import strongest_activation
from dashboard.components.pictures.before_after import before_after
from dashboard.data import photographs
from dashboard.findings.names import names_of
from dashboard.jobs.queue import LiveJob
from dashboard.jobs.request import Request
from dashboard.jobs.result import Result
from dashboard.text import plain, sentence
from dashboard.views.data_url import data_url
from dashboard.views.state import LiveView
from dashboard.widgets import figures
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened
from dashboard.widgets.live.controls import spoken
from dashboard.widgets.live.film import draw_film
from dashboard.widgets.live.headline import PLUS_MINUS, headline, survival
from featurestore.reader import Run

SAID = "not kept, said"

SINGLE = 480
"""Width of a result's only picture, in CSS pixels."""

SHORTER_SIDE = 320
"""Pixels to which small results are enlarged, without smoothing."""


def show_result(
    opened: Opened[LiveView], wanted: Request, job: LiveJob, compute_again: Callable[[], None]
) -> None:
    """Draw a finished result: its pictures, its numbers, how it was made, its downloads.

    compute_again: what a press of the button of this name does
    """
    step, names = job.step, names_of(opened.run)
    _say_once(step)
    if job.message:
        said = f"computing it again did not work: {job.message}. This is the result that was kept"
        st.warning(sentence(said), icon=":material/history:")
    if said := headline(wanted.method, step.numbers, names.class_title):
        st.subheader(said, anchor=False)
    left, right = st.columns([3, 2])
    with left:
        _pictures(opened, step, wanted)
        download_menu(opened)
        draw_film(opened.view.page, step, wanted)
    with right:
        _best_natural(opened, wanted, step)
        survival(step.numbers, names.class_title)
        _curves(step.numbers)
        with st.expander("All numbers", icon=":material/numbers:"):
            numbers(step.numbers)
        _made(job, compute_again)


def _made(job: LiveJob, compute_again: Callable[[], None]) -> None:
    """Draw how long it took and where, and the button that computes it again."""
    where = job.step.environment
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{job.seconds:.1f} s on {plain(where['device'])}, torch {plain(where['torch'])}, "
            f"{plain(str(where['threads']))} threads."
        )
        st.button(
            "Compute again",
            type="tertiary",
            icon=":material/replay:",
            help="Instead of the kept result; the page says whether the bytes are those of the proof",
            on_click=compute_again,
        )


def _say_once(result: Result) -> None:
    """Draw why it could not be kept, once a session: the same holds for the next ones."""
    if result.note and st.session_state.setdefault(SAID, result.digest) == result.digest:
        st.warning(sentence(result.note), icon=":material/save:")


def numbers(values: Mapping[str, Any]) -> None:
    """Draw the numbers of a result as a table; those in a group are named by it."""
    rows = dict(_flat(values))
    if rows:
        st.table({"": rows}, border="horizontal", hide_header=True)


def _flat(values: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        said = f"{group}, {name}" if group else spoken(name)
        if isinstance(value, Mapping):
            yield from _flat(value, said)
        elif value is not None and not isinstance(value, list | tuple):
            yield plain(said), plain(_written(value))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _curves(values: Mapping[str, Any]) -> None:
    """Draw how the probability goes while the most salient pixels are deleted and inserted."""
    if "curve_shares" in values:
        lines = {name: values[f"{name}_curve"] for name in ("deletion", "insertion")}
        figure = figures.curves(values["curve_shares"], lines, "share of the pixels", "probability")
        st.plotly_chart(figure, alt="deletion and insertion curves", config={"displayModeBar": False})


def _best_natural(opened: Opened[LiveView], wanted: Request, step: Step) -> None:
    """Draw what a channel reached beside what the store's images reach."""
    if "maximum" not in step.numbers or wanted.channel is None:
        return
    best = strongest_activation(opened.run, wanted.layer, wanted.channel)
    if best is None:
        return
    reached = step.numbers["maximum"]
    times = f", a factor of {reached / best:.2f}" if best > 0 else ""
    st.metric("Channel maximum reached", f"{reached:.3f}")
    st.caption(f"The best of the store's images reaches {best:.3f}{times}.")


def _pictures(opened: Opened[LiveView], step: Step, wanted: Request) -> None:
    further = {spoken(name): to_8_bit(each) for name, each in step.pictures.items() if name != RESULT}
    shown = {"Result": picture(step)} | further
    with st.grid(min(len(shown), 3), min_column_width=240):
        for name, each in shown.items():
            with st.container(width="stretch" if len(shown) > 1 else SINGLE):
                if name == "Result" and step.kind == "image" and wanted.image is not None:
                    _before_and_after(opened, wanted, each)
                    continue
                st.image(
                    enlarged(each),
                    caption=plain(_caption(name, step, wanted.method)),
                    alt=f"{name} of {wanted.title}",
                    width="stretch",
                    # Streamlit's own choice is JPEG, which changes the pixels.
                    output_format="PNG",
                )
                if name == "Result" and step.kind == "heatmap":
                    _legend(opened.run, step, wanted)


def _before_and_after(opened: Opened[LiveView], wanted: Request, result: np.ndarray) -> None:
    """Draw the image that the method began with and what it made of it, with a slider between them."""
    view = opened.view
    # A network of one size makes a picture of that size, of the part that it sees.
    cropped = not wanted.whole or result.shape[:2] == tuple(preprocessing_of(opened.run).size)
    began = photographs.crop if cropped else photographs.whole
    before_after(
        data_url(began(opened.run, max(view.image, 0), view.upload)),
        data_url(png(enlarged(result))),
        alt=(f"the image before {wanted.method.title}", f"Result of {wanted.title}"),
        key=f"{view.page}/before and after",
        width=SINGLE,
    )


def enlarged(image: np.ndarray) -> np.ndarray:
    return upscaled(image, SHORTER_SIDE)


def _caption(name: str, step: Step, method: Method) -> str:
    if name == "Result" and (scale := scale_of(step.numbers, method)) is not None:
        return f"{name}: {scale.in_words}"
    if name == "Result":
        return f"{name}, {_kind(step)}"
    if name == "Difference" and "linf_255" in step.numbers:
        return f"{name}, {PLUS_MINUS}{step.numbers['linf_255']}/255: red is brighter, blue darker"
    return name


def _kind(step: Step) -> str:
    height, width = step.data.shape[:2]
    return "mid-grey is 0" if step.kind == "gradient" else f"{height} x {width} pixels"


def _legend(run: Run, step: Step, wanted: Request) -> None:
    titled = names_of(run).class_title
    scale = scale_of(step.numbers, wanted.method)
    if wanted.method.of_classes:
        figure = figures.class_legend(step.data, list(map(titled, run.class_names)))
    elif scale is not None:
        said = f"change of the {scale.value} of {titled(step.numbers['class'])}"
        figure = figures.color_bar(*scale.legend, f"{said}, {scale.unit}")
    else:
        low, high = ends(step.data)
        figure = figures.color_bar(ramp(low), low, high, wanted.method.unit)
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=f"what the colours of {wanted.title} mean")
