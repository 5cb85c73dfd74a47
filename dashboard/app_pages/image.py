"""All of one image: the prediction, the occlusion maps of the store, and live explanations."""

import streamlit as st

from compute.method import IMAGE, SECOND
from compute.methods import METHODS
from compute.occlusion import windows
from dashboard import binding, data, figures, live, photos, tools, uploaded
from dashboard.controls import input_controls, parameter_controls
from dashboard.header import Opened, open_page
from dashboard.photos import Subject
from dashboard.picker import pick
from dashboard.pictures import data_url
from dashboard.view_state import ImageView

TABS = {"occlusion": "Occlusion, stored", "live": "Live"}
VALUES = {"probability": "Probability", "logit": "Logit", "argmax": "Prediction"}


def draw(opened: Opened[ImageView]) -> None:
    subject = pick(opened)
    image, explained = st.columns([1, 2], gap="large")
    with image:
        _photographs(opened, subject)
        tools.links(opened, subject)
        if subject.image_id is not None:
            _prediction(opened.run.image(subject.image_id))
        else:
            _bars(uploaded.top_classes(opened.run, subject.upload))
    with explained:
        st.segmented_control(
            "Show",
            list(TABS),
            key=binding.key(ImageView, "tab"),
            format_func=TABS.get,
            label_visibility="collapsed",
        )
        if opened.view.tab == "live":
            _live(opened, subject)
        elif subject.image_id is None:
            st.info(
                "The store holds no occlusion map of an uploaded image; make one under Live.",
                icon=":material/info:",
            )
        else:
            _stored_occlusion(opened, subject.image_id)


def _photographs(opened: Opened[ImageView], subject: Subject) -> None:
    run, view = opened.run, opened.view
    left, right = st.columns(2, wrap=False)
    left.image(
        photos.whole(run, view.image, subject.upload),
        caption="The photograph",
        alt=f"photograph {subject.name}",
        width="stretch",
    )
    right.image(
        photos.crop(run, view.image, subject.upload),
        caption="What the network sees",
        alt="the crop at the network's input size",
        width="stretch",
    )


def _prediction(row: dict) -> None:
    if row["predicted"] is None:
        st.warning("This image could not be read when the store was made.", icon=":material/broken_image:")
        return
    verdict = {True: ":green-badge[right]", False: ":red-badge[wrong]", None: ""}[row["correct"]]
    label = f"label **{row['label']}**" if row["label"] else "no label"
    st.markdown(f"predicted **{row['predicted']}**, {label} {verdict}")
    _bars([(each["class"], each["probability"]) for each in row["top5"]])
    loss = "" if row["loss"] is None else f", loss {row['loss']:.3f} nat"
    split = f", split {row['split']}" if row["split"] else ""
    st.caption(f"{row['path']}, {row['width']} x {row['height']} pixels{split}{loss}.")


def _bars(top: list[tuple[str, float]]) -> None:
    st.plotly_chart(
        figures.probabilities([name for name, _ in top], [value for _, value in top]),
        config={"displayModeBar": False},
        alt="the most probable classes",
    )


def _stored_occlusion(opened: Opened[ImageView], image_id: int) -> None:
    run, view = opened.run, opened.view
    maps = run.occlusion(image_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.segmented_control(
            "Value",
            list(VALUES),
            key=binding.key(ImageView, "value"),
            format_func=VALUES.get,
            label_visibility="collapsed",
        )
        st.toggle("Over the image", key=binding.key(ImageView, "overlay"))
    height, width = photos.preprocessing(run).size
    patch, stride = maps["patch"], maps["stride"]
    ys, xs = ([start + patch / 2 for start in windows(size, patch, stride)] for size in (height, width))
    image_url = data_url(photos.crop(run, image_id)) if view.overlay else None
    if view.value == "argmax":
        figure = figures.classes_over_image(
            maps["argmax"], ys, xs, (height, width), run.class_names, image_url
        )
    else:
        figure = figures.heat_over_image(
            maps[view.value],
            ys,
            xs,
            (height, width),
            title=f"{view.value} of {maps['target']}",
            image_url=image_url,
        )
    chart, words = st.columns([3, 2], gap="medium", vertical_alignment="center")
    chart.plotly_chart(figure, alt=f"{view.value} of {maps['target']} by where the grey patch lies")
    with words:
        st.metric(f"Unoccluded probability of {maps['target']}", f"{maps['unoccluded']:.1%}")
        st.metric("Unoccluded logit", f"{maps['unoccluded_logit']:.3f}")
        st.caption(
            f"A grey square of {patch} x {patch} pixels covers the image at every {stride} pixels; values "
            "are drawn at its centre. Where they fall, what lay there speaks for the class (Zeiler and "
            "Fergus 2014)."
        )


def _live(opened: Opened[ImageView], subject: Subject) -> None:
    view = opened.view
    names = [
        name
        for name, each in METHODS.items()
        if each.output in ("heatmap", "mask", "gradient") and IMAGE in each.needs and SECOND not in each.needs
    ]
    st.segmented_control(
        "Method", names, key=binding.key(ImageView, "method"), format_func=lambda name: METHODS[name].title
    )
    method = METHODS[view.method]
    st.caption(f"{method.theory} *{method.reference}*")
    input_controls(view, data.facts(opened.run))
    parameter_controls(view)
    live.run_method(opened, subject)


draw(open_page(ImageView))
