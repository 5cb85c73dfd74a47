"""The steps by which a live result came about: looked through with a slider, saved as a film."""

import streamlit as st

from compute.reports.drawing.film import gif, mp4
from dashboard.jobs.request import Request
from dashboard.jobs.result import Result
from dashboard.widgets.errors import boundary

FILMS = {"GIF": (gif, "image/gif"), "MP4": (mp4, "video/mp4")}


def draw_film(page: str, result: Result, wanted: Request) -> None:
    """Draw the steps; nothing where the method makes its result at once."""
    if len(result.frames) < 2:
        return
    with st.expander("Step by step", icon=":material/movie:"):
        _scrub(page, result, wanted)
        with st.container(horizontal=True, gap="small"):
            for name, (make, mime) in FILMS.items():
                st.download_button(
                    name,
                    lambda make=make: make(result.frames),
                    f"{wanted.method.name}.{name.lower()}",
                    mime,
                    key=f"{page}/film {name}",
                    icon=":material/download:",
                    on_click="ignore",
                )


@st.fragment
def _scrub(page: str, result: Result, wanted: Request) -> None:
    # A fragment runs outside of the page, so it needs a boundary of its own.
    with boundary():
        last = len(result.frames)
        at = st.slider("Picture", 1, last, last, key=f"{page}/film of {result.digest[:16]}")
        st.image(
            result.frames[at - 1],
            caption=f"{at} of {last}" + (", the result" if at == last else ""),
            alt=f"{wanted.title}, picture {at} of {last}",
        )
