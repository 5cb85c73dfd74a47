"""Channels by a picture: a box is drawn on an image, and the channels that respond there most unusually are
listed, with the other images that have them."""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple

import numpy as np
import streamlit as st

from compute.images.preprocessing import Preprocessing
from compute.reports.channels.picture_box import box_in_crop, seen_of_picture
from compute.reports.channels.responses import (
    TOGETHER,
    Peaks,
    Response,
    Unusual,
    layers_of,
    left_out,
    most_unusual,
    place_with_ties,
    rarity_with_ties,
    stored,
)
from compute.reports.channels.shared_channels import OtherImage, Others
from compute.reports.channels.strongest_channels import shared_with
from compute.reports.drawing.run_images import preprocessing_of
from dashboard.components import GridItem, image_box, image_grid
from dashboard.data import photographs, runs
from dashboard.data.channels import showcase
from dashboard.data.photographs import ChosenImage
from dashboard.data.runs import BY_FOLDER
from dashboard.data.uploads import uploads
from dashboard.findings.names import Names, names_of
from dashboard.jobs.one_step import strongest_units
from dashboard.jobs.queue import State, jobs
from dashboard.text import number, plain, sentence
from dashboard.views import binding, urls
from dashboard.views.data_url import data_url
from dashboard.views.definitions import CHANNEL, ChannelsView
from dashboard.views.navigation import address_up_to, link
from dashboard.views.query_text import write_numbers
from dashboard.widgets import image_links
from dashboard.widgets.header import Opened
from dashboard.widgets.image_picker import chosen_image, pick
from dashboard.widgets.live.run import live_result
from featurestore.reader import Run

SIDE = 96
LONGEST_NAME = 14
"""Characters of a layer's name that stand below a tile."""
WHOLE = 0.9
"""A box that covers this share of what the network sees is not drawn: it says nothing of a place."""
MOST_BOXES = 6


def draw(opened: Opened[ChannelsView]) -> None:
    """Draw the picture, what responds in its box, and the other images that have the same channels."""
    with st.container(border=True):
        picture, answers = st.columns([2, 3], gap="medium")
        with picture:
            chosen = pick(opened)
            _picture(opened, chosen)
        with answers:
            unusual = _unusual_of(opened, chosen)
            if unusual is None:
                return
            _channels(opened, unusual)
        if unusual.channels:
            _others(opened, _others_of(opened.run, chosen, tuple(unusual.channels)))


def shares(opened: Opened[ChannelsView]) -> Mapping[str, np.ndarray] | None:
    """Return by layer the share of the store's images that respond at least as strongly, of every channel.

    NaN for a channel that doesn't respond, and in a layer of which a box says nothing. None where no picture
    is asked about, or nothing is known of it yet.
    """
    if not opened.view.picture or runs.refusal(opened.run) is not None:
        return None
    try:
        chosen, box = chosen_image(opened), opened.view.picture_box
        job = jobs().find(strongest_units(opened.run, chosen, opened.view, box).key)
        if job is None or job.state is not State.DONE:
            return None
        known = _found(opened.run, chosen, opened.view.box, job.step.value).shares
    except ValueError:
        # The section itself says what is wrong with the picture.
        return None
    channels = runs.choices(opened.run).layers
    return {layer: known.get(layer, np.full(count, np.nan)) for layer, count in channels.items()}


def _picture(opened: Opened[ChannelsView], chosen: ChosenImage) -> None:
    run, view, named = opened.run, opened.view, (chosen.image_id or 0, chosen.upload)
    size = photographs.size(run, *named)
    box, seen = view.picture_box, seen_of_picture(preprocessing_of(run), size)
    image_box(
        data_url(photographs.whole_or_thumbnail(run, *named)),
        alt=f"photograph {chosen.name}",
        key="channels/box",
        label="The part of the picture that counts",
        box=None if box is None else astuple(box),
        seen=astuple(seen),
        on_change=lambda edges: binding.change(
            ChannelsView, box="" if edges is None else write_numbers(edges)
        ),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if box is not None:
            st.button(
                "The whole picture",
                icon=":material/crop_free:",
                type="tertiary",
                on_click=lambda: binding.change(ChannelsView, box=""),
            )
        image = image_links.explaining(opened, max(chosen.image_id or 0, 0), chosen.upload)
        link(image, "Explain this image")


def _unusual_of(opened: Opened[ChannelsView], chosen: ChosenImage) -> Unusual | None:
    """Return the channels; None, once why is drawn, while the network runs or where there is nothing."""
    run, view = opened.run, opened.view
    refused = runs.refusal(run) or (
        None if chosen.image_id is None else photographs.gone_because(run, chosen.image_id)
    )
    if refused is not None:
        return _from_the_store(opened, chosen, refused)
    box = view.picture_box
    if box is not None:
        named = chosen.image_id or 0, chosen.upload
        box_in_crop(box, preprocessing_of(run), photographs.size(run, *named))
    job = live_result(strongest_units(run, chosen, view, box), starts_itself=True)
    return None if job is None else _found(run, chosen, view.box, job.step.value)


def _from_the_store(opened: Opened[ChannelsView], chosen: ChosenImage, refused: str) -> Unusual | None:
    st.info(
        f"{sentence(refused)} Until then, only channels among whose strongest patches this image is can be "
        "shown, from the store, and those of no box.",
        icon=":material/lock:",
    )
    if chosen.image_id is None:
        return None
    return Unusual(sorted(stored(opened.run, chosen.image_id), key=rarity_with_ties)[:TOGETHER], {})


@st.cache_data(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def _found(run: Run, chosen: ChosenImage, box: str, _peaks: Mapping[str, Peaks]) -> Unusual:
    """_peaks: follow from the run, the image and the box, so they are not part of the cache's key."""
    size = photographs.size(run, chosen.image_id or 0, chosen.upload)
    return most_unusual(run, "", _peaks, None if box else chosen.image_id, size)


@st.cache_data(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def _others_of(run: Run, chosen: ChosenImage, channels: tuple[Response, ...]) -> Others:
    # An upload's name is a part of its hash alone.
    uploaded = chosen.upload and hashlib.sha256(uploads().read(chosen.upload)).hexdigest()
    return shared_with(run, list(channels), chosen.image_id, uploaded or chosen.sha256)


def _channels(opened: Opened[ChannelsView], unusual: Unusual) -> None:
    view, found = opened.view, unusual.channels
    where = "in the box" if view.box else "in the picture"
    st.markdown(f"**What responds most unusually {where}**")
    if not found:
        st.caption(f"No channel responds {where}.")
        return
    st.caption(
        f"The {len(found)} channels of all layers whose strongest response {where} fewest of the store's "
        "images equal, anywhere in them. The tiles are those of the atlas below."
    )
    names = names_of(opened.run)
    image_grid(
        [_channel_item(opened, each, names) for each in found],
        key="channels/unusual",
        label=f"Channels that respond most unusually {where}",
        size=SIDE,
        selected=f"{view.layer}/{view.channel}",
        on_click=_open,
    )
    if view.box and unusual.shares and (said := left_out(layers_of(opened.run), unusual.shares)):
        st.caption(plain(sentence(said)))


def _channel_item(opened: Opened[ChannelsView], response: Response, names: Names) -> GridItem:
    layer, channel, place = response.layer, response.channel, place_with_ties(response)
    pictures = showcase.on_tiles(opened.run, opened.view, layer)
    tiles = urls.channel_tiles(opened.store, opened.run.fingerprint, layer, pictures)
    name = names.channel(layer, channel)
    called = f"channel {channel} of {layer}{f', {name}' if name else ''}"
    return GridItem(
        response.name,
        tiles.replace("{channels}", str(channel)),
        alt=f"{called}, {place}, {number(response.value)} of {number(response.maximum)}",
        caption=f"{channel}: {place}",
        note=name or _end(layer),
    )


def _end(name: str) -> str:
    """Return as much of a layer's name as stands below a tile: its end, which says most."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _open(name: int | str) -> None:
    layer, _, channel = str(name).rpartition("/")
    binding.change(ChannelsView, show=CHANNEL, layer=layer, channel=int(channel), rank=0)


def _others(opened: Opened[ChannelsView], shared: Others) -> None:
    st.markdown("**Which other images have these channels**")
    if not shared.images:
        st.caption("No other image of the store is among the strongest of any of them.")
        return
    kept = "image" if shared.count == 1 else "images"
    st.caption(
        f"By how many of the {shared.channels} channels have an image among their strongest patches in the "
        f"store: {shared.count:,} other {kept} of {opened.run.image_count:,} for one at least. By chance an "
        f"image would be among those of {shared.by_chance:.2g}. The boxes are those patches."
    )
    preprocessing = preprocessing_of(opened.run)
    ids = [each.image_id for each in shared.images]
    rows = opened.run.rows("images", ids, ("path", "label", "width", "height")).to_pylist()
    image_grid(
        [
            _image_item(opened, image, row, shared.channels, preprocessing)
            for image, row in zip(shared.images, rows, strict=True)
        ],
        key="channels/others",
        label="Other images that have these channels",
        size=96,
        link=address_up_to(image_links.explaining(opened, 0), "image"),
    )


def _image_item(
    opened: Opened[ChannelsView],
    image: OtherImage,
    row: Mapping[str, str | int],
    channels: int,
    preprocessing: Preprocessing,
) -> GridItem:
    name = row["label"] or row["path"]
    shared = f"{len(image.patches)} of {channels}"
    return GridItem(
        image.image_id,
        urls.thumbnail(opened.store, opened.run.fingerprint, image.image_id),
        alt=f"{row['path']}, among the strongest of {shared} channels",
        caption=shared,
        note=name,
        boxes=_boxes(image, (row["width"], row["height"]), preprocessing),
    )


def _boxes(image: OtherImage, size: tuple[int, int], preprocessing: Preprocessing) -> tuple[tuple, ...]:
    """The patches of an image in fractions of it, the strongest first, without those that are all of it."""
    seen = astuple(seen_of_picture(preprocessing, size))
    whole = (seen[2] - seen[0]) * (seen[3] - seen[1])
    found = []
    for patch in sorted(image.patches, key=lambda each: each.rank):
        if patch.box is not None:
            edges = np.divide(preprocessing.seen_box(patch.box, *size), [*size, *size])
            low, high = np.clip(edges[:2], seen[:2], seen[2:]), np.clip(edges[2:], seen[:2], seen[2:])
            if np.prod(high - low) < WHOLE * whole:
                found.append((*low.tolist(), *high.tolist()))
    return tuple(found[:MOST_BOXES])
