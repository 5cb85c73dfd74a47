"""The pictures of a live result, each with what its colours mean."""

from collections import Counter

import numpy as np
import streamlit as st

from compute.images.pictures import RESULT, ends, picture, ramp, to_8_bit, upscaled
from compute.methods.base import Step
from dashboard.jobs.request import Request
from dashboard.widgets import figures
from dashboard.widgets.live.controls import spoken
from featurestore.reader import Run

SINGLE = 480
"""Width of a result's only picture, in CSS pixels."""

SHORTER_SIDE = 320
"""Pixels to which small results are enlarged, without smoothing."""

MOST_CLASSES = 10
"""As many have a colour of their own."""


def draw(run: Run, step: Step, wanted: Request) -> None:
    shown = {"Result": picture(step)}
    shown |= {spoken(name): to_8_bit(each) for name, each in step.pictures.items() if name != RESULT}
    with st.grid(min(len(shown), 3), min_column_width=240):
        for name, each in shown.items():
            with st.container(width="stretch" if len(shown) > 1 else SINGLE):
                st.image(
                    enlarged(each),
                    caption=_caption(name, step),
                    alt=f"{name} of {wanted.title}",
                    width="stretch",
                    # Streamlit's own choice is JPEG, which changes the pixels.
                    output_format="PNG",
                )
                if name == "Result" and step.kind == "heatmap":
                    _legend(run, step, wanted)


def enlarged(image: np.ndarray) -> np.ndarray:
    return upscaled(image, SHORTER_SIDE)


def _caption(name: str, step: Step) -> str:
    if name == "Result":
        return f"{name}, {_kind(step)}"
    if name == "Difference" and "magnification" in step.numbers:
        return f"{name}, {step.numbers['magnification']:.3g} times, on mid-grey"
    return name


def _kind(step: Step) -> str:
    height, width = step.data.shape[:2]
    return "mid-grey is 0" if step.kind == "gradient" else f"{height} x {width} pixels"


def _legend(run: Run, step: Step, wanted: Request) -> None:
    if wanted.method.of_classes:
        figure = figures.class_legend(*_classes(step, run.class_names))
    else:
        low, high = ends(step.data)
        figure = figures.color_bar(ramp(low), low, high, wanted.method.unit)
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=f"what the colours of {wanted.title} mean")


def _classes(step: Step, names: tuple[str, ...]) -> tuple[list[str], list[float], list[str]]:
    """The commonest classes of a map: their names, their shares of it, and their colours in its picture."""
    counted = Counter(step.data.ravel().astype(int).tolist()).most_common(MOST_CLASSES)
    colors = picture(step)
    found = [colors[step.data == index][0] for index, _ in counted]
    return (
        [names[index] for index, _ in counted],
        [count / step.data.size for _, count in counted],
        ["#" + bytes(color).hex() for color in found],
    )
