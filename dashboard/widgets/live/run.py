"""Live results on a page: the button that starts one, the job that runs, and the result once it is there."""

import streamlit as st

from compute.images.pictures import picture
from dashboard.jobs import visitor
from dashboard.jobs.lookup import requested, result_of
from dashboard.jobs.method_task import MethodUnavailable, method_task
from dashboard.jobs.queue import LiveJob, State, jobs
from dashboard.jobs.task import Task, advance
from dashboard.text import sentence
from dashboard.views import binding
from dashboard.views.definitions import ResultsView
from dashboard.views.navigation import link
from dashboard.views.state import LiveView
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened
from dashboard.widgets.live.progress import progress
from dashboard.widgets.live.result import SHORTER_SIDE, enlarged, show_result

AT_ONCE = 0.4
"""Seconds that a page waits for a result before it draws its progress."""

PRESSED = "start was pressed"
"""What this session has just asked to start: the key of a task, or `METHOD`."""

METHOD = "the page's method"
"""As its controls stand once the page runs: a click on the button may be what leaves one of them.

So that the button is the same one then, and not replaced while it is being pressed.
"""

TRIED = "started by themselves"
"""Keys of this session's results. One that failed or was cancelled is started again only when asked for."""


def run_method(opened: Opened[LiveView]) -> None:
    """Draw the start button, the running job or the result of the view's method."""
    task = method_task(opened.view, opened.run)
    job = live_result(task, starts_itself=False)
    if job is None:
        return
    if opened.result is not job.step and result_of(opened.view, opened.run) is job.step:
        # It came after the header was drawn, which compares it with the link's and puts it into the new one.
        binding.rerun()
    wanted = requested(opened.view, opened.run)
    show_result(opened, wanted, job, compute_again=lambda: _press(METHOD, type(opened.view)))


def live_result(task: Task, *, starts_itself: bool) -> LiveJob | None:
    """Return the finished job of a task; where there is none, draw why, and the way to it, and return None.

    starts_itself: the page starts it when it is opened; else a person does, or the link of one who has

    ValueError where it would have to be computed and can't be.
    """
    tried, what = st.session_state.setdefault(TRIED, set()), task.key if starts_itself else METHOD
    try:
        standing = advance(
            task,
            visitor.owner(),
            visitor.address(),
            pressed=_was_pressed(what),
            starts_itself=starts_itself,
            retries=starts_itself and task.key not in tried,
            seconds=AT_ONCE,
        )
    except MethodUnavailable as unavailable:
        st.info(sentence(unavailable), icon=":material/block:")
        return None
    if standing.refused:
        st.warning(sentence(standing.refused), icon=":material/hourglass_top:")
    elif starts_itself:
        tried.add(task.key)
    job = standing.job
    if job is not None and job.state is State.DONE:
        return job
    if job is None or job.ended:
        _offer(task, job, what)
    else:
        _watch(task.key, pictured=not starts_itself)
    return None


def _offer(task: Task, job: LiveJob | None, what: str) -> None:
    """Draw the button that starts `what`, and why it did not go well before."""
    if job is not None and job.state is State.FAILED:
        st.error(sentence(job.message), icon=":material/error:")
    elif job is not None:
        st.info("This was cancelled.", icon=":material/cancel:")
    st.button(
        "Start" if job is None else "Start again",
        type="primary" if what == METHOD else "secondary",
        icon=":material/play_arrow:",
        key=f"start {what}",
        on_click=_press,
        args=(what, type(task.view) if what == METHOD else None),
    )


def _press(what: str, cls: type[LiveView] | None) -> None:
    """Note in a callback what the page does once it runs, where an error has its place.

    cls: of the page's view, whose address says from now on that it was started
    """
    st.session_state[PRESSED] = what
    if cls is not None:
        binding.change(cls, live=True)


def _was_pressed(what: str) -> bool:
    if st.session_state.get(PRESSED) != what:
        return False
    del st.session_state[PRESSED]
    return True


@st.fragment(run_every=0.5)
def _watch(key: str, pictured: bool) -> None:
    """Draw place, progress, time left, the picture so far, Cancel; rerun the page once the job has ended."""
    # A fragment runs outside of the page, so it needs a boundary of its own.
    with boundary():
        queue = jobs()
        job = queue.find(key)
        if job is None or job.ended:
            binding.rerun()
        bar, button = st.columns([5, 1], vertical_alignment="center")
        bar.progress(job.share, text=progress(job, queue.position(key), queue.running()))
        button.button(
            "Cancel", icon=":material/stop_circle:", on_click=queue.cancel, args=(key,), key=f"cancel {key}"
        )
        if job.state is State.WAITING and job.view is not None:
            link(ResultsView(job.view.store, job.view.run), "What runs and waits", ":material/list:")
        if pictured and job.step is not None:
            st.image(
                enlarged(picture(job.step)),
                alt=f"{job.title}, step {job.step.index} of {job.step.total}",
            )
        elif pictured:
            st.skeleton(height=SHORTER_SIDE)
