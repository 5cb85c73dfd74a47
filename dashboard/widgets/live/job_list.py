"""All jobs of this server that run or wait, whoever started them, with a way to each and Cancel."""

import streamlit as st

from dashboard.jobs.queue import LiveJob, State, jobs
from dashboard.text import plain
from dashboard.views import binding
from dashboard.views.navigation import link
from dashboard.widgets.errors import boundary
from dashboard.widgets.live.progress import progress

MOST = 20
"""More are counted, not drawn: each is drawn anew every second."""

UNWATCHED = 120
"""Seconds after which a job is said to be watched by nobody; a page in the background asks seldom."""

DRAWN = "jobs drawn"


@st.fragment(run_every=1.0)
def running_and_waiting() -> None:
    """Draw the list; rerun the page once a job has its result, which is then among those below."""
    # A fragment runs outside of the page, so it needs a boundary of its own.
    with boundary():
        queue = jobs()
        pending = queue.pending()
        ended = [queue.find(key) for key in st.session_state.get(DRAWN, set()) - {job.key for job in pending}]
        st.session_state[DRAWN] = {job.key for job in pending}
        if any(job is not None and job.state is State.DONE for job in ended):
            binding.rerun()
        st.subheader("Running and waiting", anchor=False)
        if not pending:
            st.caption("Nothing runs or waits.")
            return
        st.caption(
            "One at a time on this server's device, visitors in turn. A job runs to its end, also when "
            "nobody looks at it any more."
        )
        for position, job in enumerate(pending[:MOST]):
            _row(job, position, pending[0])
        if len(pending) > MOST:
            st.caption(f"… and {len(pending) - MOST:,} more.")


def _row(job: LiveJob, position: int, first: LiveJob) -> None:
    with st.container(border=True):
        said, bar, ways = st.columns([4, 3, 2], vertical_alignment="center")
        with said:
            st.markdown(f"**{plain(job.title)}**")
            st.caption(_where(job))
        bar.progress(job.share, text=progress(job, position, first))
        with ways.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
            if job.view is not None:
                link(job.view, "Open", ":material/open_in_new:")
            st.button(
                "Cancel",
                icon=":material/stop_circle:",
                key=f"listed {job.key}",
                on_click=jobs().cancel,
                args=(job.key,),
                help="For all who watch it, before its next step",
            )


def _where(job: LiveJob) -> str:
    """Return its store, and since when nobody has watched it, in words."""
    store = "" if job.view is None else f"store {plain(job.view.store)}"
    minutes = int(job.unwatched // 60)
    alone = f"nobody has watched it for {minutes} min" if job.unwatched >= UNWATCHED else ""
    return ", ".join(filter(None, (store, alone)))
