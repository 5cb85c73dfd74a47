"""The tab Strongest channels of the Image page: the channels that respond unusually strongly to the image."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from compute.images.encoding import encoded
from compute.images.raster import Photograph
from compute.reports.channels.responses import (
    EACH_LAYER,
    TOGETHER,
    Peaks,
    Response,
    most_unusual,
    place,
    place_with_ties,
    rarity,
    rarity_with_ties,
    stored,
    strongest,
)
from dashboard.components import GridItem, image_grid
from dashboard.data import photographs, runs
from dashboard.data.channels import showcase
from dashboard.data.photographs import ChosenImage
from dashboard.data.runs import BY_FOLDER
from dashboard.findings.names import Names, names_of
from dashboard.jobs.one_step import strongest_units
from dashboard.text import choice_names, plain, sentence
from dashboard.views import binding
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ATLAS, ChannelsView, ImageView
from dashboard.views.image_tabs import CHANNELS
from dashboard.views.navigation import address_up_to, link
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened
from dashboard.widgets.live.run import live_result
from featurestore.reader import Run

SIDE = 96
Shown = tuple[tuple[Response, bytes], ...]


def draw(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    """Draw the tab."""
    layers = tuple(runs.choices(opened.run).layers)
    if not layers:
        st.info("This network has no layers with maps, so it has no channels.", icon=":material/view_module:")
        return
    _explain(opened, layers)
    shown = _live(opened, chosen)
    if shown is None:
        return
    if not shown:
        st.caption("No channel of this layer responds to this image.")
        return
    answers, names = [answer for answer, _ in shown], names_of(opened.run)
    rarest = min(answers, key=rarity)
    answer_shown = next((each for each in answers if each.name == opened.view.strong), rarest)
    _chosen(opened, answer_shown, names)
    for layer in layers:
        of_layer = [(answer, png) for answer, png in shown if answer.layer == layer]
        if of_layer:
            _layer(opened, layer, of_layer, answer_shown, names)


def strip(
    opened: Opened[ImageView], chosen: ChosenImage, count: int, size: int, key: str = "image/strongest"
) -> None:
    """Draw one row of the `count` rarest responses of all layers; a click opens the tab on one of them.

    key: tells it from the page's other rows.
    """
    shown = _found(opened, chosen, "", together=True)
    if shown is None:
        return
    names = names_of(opened.run)
    image_grid(
        [_item(each, png, _where(each, names), place_with_ties(each), names) for each, png in shown[:count]],
        key=key,
        label="Strongest channels",
        size=size,
        link=address_up_to(replace(opened.view.on_tab(CHANNELS), layer=""), "strong"),
    )


def _explain(opened: Opened[ImageView], layers: tuple[str, ...]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Layer",
            ("", *layers),
            key=binding.key(ImageView, "layer"),
            format_func=choice_names(
                ("", *layers), lambda name: name or f"all, the first {EACH_LAYER} of each"
            ),
            width=260,
            on_change=lambda: binding.change(ImageView, strong="", channel=-1),
        )
        download_menu(opened)
        view = opened.view
        asked = {"show": ATLAS, "picture": True, "image": max(view.image, 0), "upload": view.upload}
        in_atlas = ChannelsView(opened.store, opened.run.fingerprint, **asked)
        link(in_atlas, "Draw a box, in the atlas", ":material/ink_selection:")
    st.caption(
        "Each channel's strongest response in this image and where it is, ranked by how few of the store's "
        "images make it respond more strongly, which means the same for every channel, whatever its unit. "
        "Below each patch: the channel with that share, its value and the store's maximum; on it, its place "
        "where it is among the channel's strongest patches of the store."
    )


def _live(opened: Opened[ImageView], chosen: ChosenImage) -> Shown | None:
    """Return the channels and their patches; None while the network runs.

    Where the network may not be used, only what the store knows can be returned.
    """
    if (refused := runs.refusal(opened.run)) is not None:
        st.info(
            f"{sentence(refused)} Until then, only channels among whose top patches "
            "this image is can be shown, from the store.",
            icon=":material/lock:",
        )
    return _found(opened, chosen, opened.view.layer)


def _found(
    opened: Opened[ImageView], chosen: ChosenImage, layer: str, together: bool = False
) -> Shown | None:
    """together: the most unusual of all layers in one list, ties counted, as the box's report has them."""
    gone = chosen.image_id is not None and photographs.gone_because(opened.run, chosen.image_id)
    if gone or runs.refusal(opened.run) is not None:
        return None if chosen.image_id is None else _stored(opened.run, chosen.image_id, layer, together)
    job = live_result(strongest_units(opened.run, chosen, opened.view), starts_itself=True)
    return None if job is None else _ranked(opened.run, chosen, layer, job.step.value, together)


@st.cache_data(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def _ranked(run: Run, chosen: ChosenImage, layer: str, _peaks: Mapping[str, Peaks], together: bool) -> Shown:
    """Return the channels and their patches.

    _peaks: follow from the run and the image, so they are not part of the cache's key.
    """
    with photographs.decoded(run, chosen.image_id or 0, chosen.upload) as image:
        asked = run, layer, _peaks, chosen.image_id, image.size
        found = most_unusual(*asked).channels if together else strongest(*asked)
        return _with_patches(run, image, found)


@st.cache_data(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def _stored(run: Run, image_id: int, layer: str, together: bool) -> Shown:
    answers = stored(run, image_id, layer)
    if together:
        answers = sorted(answers, key=rarity_with_ties)[:TOGETHER]
    try:
        with photographs.decoded(run, image_id) as image:
            return _with_patches(run, image, answers)
    except ValueError:
        image, scale = photographs.stand_in(run, image_id)
        return _with_patches(run, image, answers, scale)


def _with_patches(run: Run, image: Photograph, answers: list[Response], scale: float = 1) -> Shown:
    """scale: the image's share of the photograph's size."""
    boxes = [each.box and tuple(scale * edge for edge in each.box) for each in answers]
    edges = [photographs.seen_edges(run, image, box) for box in boxes]
    pictures = [encoded(photographs.cut(image, each, SIDE)) for each in edges]
    return tuple(zip(answers, pictures, strict=True))


def _where(answer: Response, names: Names) -> str:
    return names.channel(answer.layer, answer.channel) or f"{answer.channel} of {answer.layer}"


def _layer(
    opened: Opened[ImageView],
    layer: str,
    shown: list[tuple[Response, bytes]],
    answer_shown: Response,
    names: Names,
) -> None:
    st.markdown(f"**{plain(layer)}**")
    items = [
        _item(
            answer,
            png,
            caption=f"{names.channel(layer, answer.channel) or answer.channel}: {place(answer)}",
            note=f"{answer.value:.3g} of {answer.maximum:.3g}",
            names=names,
        )
        for answer, png in shown
    ]
    image_grid(
        items,
        key=f"image/strongest/{layer}",
        label=f"Strongest channels of {layer}",
        size=SIDE,
        selected=answer_shown.name,
        on_click=lambda name: binding.change(ImageView, strong=str(name)),
    )
    looked_for = [_looked_for(opened.run, answer) for answer, _ in shown]
    if any(item.src for item in looked_for):
        st.caption("What these channels look for (gradient ascent)")
        image_grid(
            looked_for,
            key=f"image/strongest/{layer}/ascent",
            label=f"What the strongest channels of {layer} look for",
            size=SIDE,
            selected=answer_shown.name,
            on_click=lambda name: binding.change(ImageView, strong=str(name)),
        )


def _looked_for(run: Run, answer: Response) -> GridItem:
    """Return the store's picture of what a channel looks for; an item without one where it has none."""
    picture = showcase.tile(run, answer.layer, answer.channel, 2 * SIDE)
    return GridItem(
        answer.name,
        "" if picture is None else data_url(picture),
        alt=f"what channel {answer.channel} of {answer.layer} looks for, found by gradient ascent",
        caption=str(answer.channel),
    )


def _item(answer: Response, png: bytes, caption: str, note: str, names: Names) -> GridItem:
    name = names.channel(answer.layer, answer.channel)
    spoken = f"channel {answer.channel} of {answer.layer}{f', {name},' if name else ''}"
    return GridItem(
        answer.name,
        data_url(png),
        alt=f"where {spoken} responds most, {place(answer)}",
        caption=caption,
        note=note,
        badge="" if answer.rank is None else f"{answer.rank + 1}",
    )


def _chosen(opened: Opened[ImageView], answer: Response, names: Names) -> None:
    looked_for = showcase.tile(opened.run, answer.layer, answer.channel, 2 * SIDE)
    title = names.channel_title(answer.layer, answer.channel)
    with st.container(horizontal=True, vertical_alignment="center", border=True, gap="medium"):
        if looked_for is not None:
            st.image(
                looked_for,
                width=SIDE,
                alt=f"what channel {answer.channel} of {answer.layer} looks for, found by gradient ascent",
            )
        st.metric(plain(title), f"{answer.value:.3f}", width="content")
        st.metric("Store's maximum", f"{answer.maximum:.3f}", width="content")
        st.metric("Images with a stronger response", f"{answer.share:.2%}", width="content")
        if answer.rank is not None:
            st.metric("Place among its patches", f"{answer.rank + 1}", width="content")
        st.metric("Unit (row, column)", f"{answer.y}, {answer.x}", width="content")
        channel = ChannelsView(
            opened.store,
            opened.run.fingerprint,
            layer=answer.layer,
            channel=answer.channel,
            rank=answer.rank or 0,
        )
        link(channel, "Open this channel")
