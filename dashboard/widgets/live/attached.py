"""Jobs that a page starts by itself, as soon as it is opened: what is drawn until there is a result."""

import streamlit as st

from dashboard.jobs import visitor
from dashboard.jobs.queue import LiveJob, State, Work, jobs
from dashboard.jobs.rate_limit import TooManyJobs
from dashboard.text import sentence
from dashboard.views.state import ViewState
from dashboard.widgets.live.run import AT_ONCE, say_why, watch

STARTED = "started by themselves"
"""Keys of this session's. One that failed or was cancelled is not started again without being asked to."""


def attach(key: str, title: str, work: Work, view: ViewState | None) -> LiveJob | None:
    """The finished job; None while its progress is drawn, or why there is none and a button to start again.

    view: what opens on it.
    """
    started = st.session_state.setdefault(STARTED, set())
    job = jobs().find(key)
    if job is None or (job.state in (State.FAILED, State.CANCELLED) and key not in started):
        try:
            jobs().submit(key, title, visitor.owner(), work, address=visitor.address(), view=view)
        except TooManyJobs as refused:
            st.warning(sentence(refused), icon=":material/hourglass_top:")
            return None
    started.add(key)
    job = jobs().wait(key, AT_ONCE)
    if job is None or not job.ended:
        watch(key, pictured=False)
    elif job.state is State.DONE:
        return job
    else:
        say_why(job)
        st.button(
            "Start again",
            icon=":material/play_arrow:",
            key=f"again {key}",
            on_click=started.discard,
            args=(key,),
        )
    return None
