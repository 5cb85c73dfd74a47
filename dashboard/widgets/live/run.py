"""Live methods on the page: starting or attaching to a job, its progress, its result."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st

from compute.images.pictures import picture
from compute.methods.base import Step
from compute.reports.method_result import strongest_activation
from dashboard.data import photographs as photos
from dashboard.data import runs
from dashboard.data.photographs import ChosenImage
from dashboard.jobs import visitor
from dashboard.jobs.lookup import find, keeping, result_of
from dashboard.jobs.queue import LiveJob, State, jobs
from dashboard.jobs.rate_limit import TooManyJobs
from dashboard.jobs.request import Request, request
from dashboard.jobs.result_store import Result
from dashboard.text import sentence
from dashboard.views import binding
from dashboard.views.definitions import ResultsView
from dashboard.views.navigation import link
from dashboard.views.state import LiveView
from dashboard.widgets import figures
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened
from dashboard.widgets.live import result as live_pictures
from dashboard.widgets.live.controls import spoken
from dashboard.widgets.live.progress import progress

STARTED, SAID = "started", "not kept, said"
AT_ONCE = 0.4
"""Seconds that a page waits for a result before it draws its progress."""


def run_method(
    opened: Opened[LiveView], subject: ChosenImage | None, second: ChosenImage | None = None
) -> None:
    """Draws the start button, the running job or the result of the view's method."""
    view, run = opened.view, opened.run
    wanted = request(view, run.manifest.model["weights_hash"], _named(subject), _named(second))
    job = find(opened.store, wanted)
    again = st.session_state.pop(STARTED, None) == wanted.key
    if again or job is None or job.state in (State.FAILED, State.CANCELLED):
        # Only here: a result that is kept needs no network, nor that the user's code may run.
        model, method = runs.model(run), type(wanted.method)
        if (reason := method.unavailable_because(model)) is not None:
            st.info(f"{method.title} is not available for {model.name}: {reason}.", icon=":material/block:")
            return
        if not again and (job is not None or not view.live):
            _offer(view, wanted, job)
            return
        try:
            _submit(opened, wanted, subject, second, anew=again)
        except TooManyJobs as refused:
            st.warning(sentence(refused), icon=":material/hourglass_top:")
            _offer(view, wanted, job)
            return
    job = jobs().wait(wanted.key, AT_ONCE)
    if job is None or not job.ended:
        watch(wanted.key)
    elif job.state is State.DONE:
        if opened.result is not job.step and result_of(view, run) is job.step:
            # It came after the header was drawn, which compares it with the link's and puts it into the new
            # one.
            binding.rerun()
        show_result(opened, wanted, job)
    else:
        _offer(view, wanted, job)


def show_result(opened: Opened[LiveView], wanted: Request, job: LiveJob) -> None:
    step = job.step
    _say_once(step)
    if job.message:
        said = f"computing it again did not work: {job.message}. This is the result that was kept"
        st.warning(sentence(ValueError(said)), icon=":material/history:")
    left, right = st.columns([3, 2])
    with left:
        live_pictures.draw(opened.run, step, wanted)
    with right:
        _best_natural(opened, wanted, step)
        numbers(step.numbers)
        _curves(step.numbers)
        _made(opened.view, wanted, job)
        download_menu(opened)


def _made(view: LiveView, wanted: Request, job: LiveJob) -> None:
    """How long it took and where; the way to compute it anew."""
    where = job.step.environment
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{job.seconds:.1f} s on {where['device']}, torch {where['torch']}, {where['threads']} threads."
        )
        st.button(
            "Compute again",
            type="tertiary",
            icon=":material/replay:",
            help="Instead of the kept result; the page says whether the bytes are those of the proof",
            on_click=_start,
            args=(type(view), wanted.key),
        )


def _say_once(result: Result) -> None:
    """Why it could not be kept; the same holds for the next ones."""
    if result.note and st.session_state.setdefault(SAID, result.digest) == result.digest:
        st.warning(sentence(ValueError(result.note)), icon=":material/save:")


def numbers(values: Mapping[str, Any]) -> None:
    """Numbers of a result as a table; those in a group are named by it."""
    plain = dict(_flat(values))
    if plain:
        st.table({"": plain}, border="horizontal", hide_header=True)


def _flat(values: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        said = f"{group}, {name}" if group else spoken(name)
        if isinstance(value, Mapping):
            yield from _flat(value, said)
        elif value is not None and not isinstance(value, list | tuple):
            yield said, _written(value)


def _curves(values: Mapping[str, Any]) -> None:
    """How the probability goes while the most salient pixels are deleted, and while they are inserted."""
    if "curve_shares" in values:
        lines = {name: values[f"{name}_curve"] for name in ("deletion", "insertion")}
        figure = figures.curves(values["curve_shares"], lines, "share of the pixels", "probability")
        st.plotly_chart(figure, alt="deletion and insertion curves", config={"displayModeBar": False})


def _best_natural(opened: Opened[LiveView], wanted: Request, step: Step) -> None:
    """What a channel reached beside what the store's images reach."""
    if "maximum" not in step.numbers or wanted.channel is None:
        return
    best = strongest_activation(opened.run, wanted.layer, wanted.channel)
    if best is None:
        return
    reached = step.numbers["maximum"]
    times = f", a factor of {reached / best:.2f}" if best > 0 else ""
    st.metric("Channel maximum reached", f"{reached:.3f}")
    st.caption(f"The best of the store's images reaches {best:.3f}{times}.")


def _named(subject: ChosenImage | None) -> tuple[str, str] | None:
    return None if subject is None else (subject.sha256, subject.name)


def _submit(
    opened: Opened[LiveView],
    wanted: Request,
    subject: ChosenImage | None,
    second: ChosenImage | None,
    anew: bool,
) -> None:
    run, model = opened.run, runs.model(opened.run)
    photographs = {
        name: photos.photograph(run, chosen.image_id or 0, chosen.upload)
        for name, chosen in (("image", subject), ("second", second))
        if chosen is not None
    }

    def read(which: str):
        return (
            photos.whole_tensor(model, photographs[which])
            if wanted.whole
            else model.prepare(photographs[which])
        )

    work = keeping(lambda: wanted.steps(model, read), opened.view, wanted, model.device)
    view = dataclasses.replace(opened.view, live=True, proof="")
    jobs().submit(wanted.key, wanted.title, visitor.owner(), work, anew, visitor.address(), view)


def _offer(view: LiveView, wanted: Request, job: LiveJob | None) -> None:
    """The button that starts, and why it did not go well before."""
    if job is not None:
        say_why(job)
    label = "Start" if job is None else "Start again"
    st.button(
        label, type="primary", icon=":material/play_arrow:", on_click=_start, args=(type(view), wanted.key)
    )


def say_why(job: LiveJob) -> None:
    """Of a job that has no result."""
    if job.state is State.FAILED:
        st.error(sentence(ValueError(job.message)), icon=":material/error:")
    elif job.state is State.CANCELLED:
        st.info("This was cancelled.", icon=":material/cancel:")


def _start(cls: type[LiveView], key: str) -> None:
    """Noted here, done in the page, where an error has its place."""
    st.session_state[STARTED] = key
    binding.change(cls, live=True)


@st.fragment(run_every=0.5)
def watch(key: str, pictured: bool = True) -> None:
    """Position, progress, time left, the picture so far, Cancel; reruns the page once the job has ended."""
    # A fragment runs outside of the page, so it needs a boundary of its own.
    with boundary():
        job = jobs().find(key)
        if job is None or job.ended:
            binding.rerun()
        bar, button = st.columns([5, 1], vertical_alignment="center")
        bar.progress(job.share, text=progress(job, jobs().position(key), jobs().running()))
        cancel = jobs().cancel
        button.button(
            "Cancel", icon=":material/stop_circle:", on_click=cancel, args=(key,), key=f"cancel {key}"
        )
        if job.state is State.WAITING and job.view is not None:
            link(ResultsView(job.view.store, job.view.run), "What runs and waits", ":material/list:")
        if pictured and job.step is not None:
            st.image(
                live_pictures.enlarged(picture(job.step)),
                alt=f"{job.title}, step {job.step.index} of {job.step.total}",
            )
        elif pictured:
            st.skeleton(height=live_pictures.SHORTER_SIDE)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
