"""What each channel of each layer responds to."""

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.methods import METHODS
from dashboard import addresses, binding, data, figures, photos, pictures, tools
from dashboard.components import GridItem, image_grid
from dashboard.guided_patches import guided_pngs
from dashboard.header import Opened, open_page
from dashboard.pages import link
from dashboard.picker import of_store
from dashboard.view_state import ChannelsView, LabView, read_parameters

SORTS = {
    "channel": "Number",
    "mean": "Mean",
    "max": "Maximum",
    "active_share": "Share of images",
    "selectivity": "Class selectivity",
}
ONLY = {"all": "All", "live": "Live", "dead": "Dead"}
PATCH = 92
PER_PAGE = 60


def draw(opened: Opened[ChannelsView]) -> None:
    if not opened.view.layer:
        st.info(
            "This network has no convolution, so it has no channels to look at.",
            icon=":material/view_module:",
        )
        return
    stats = opened.run.channels(opened.view.layer)
    _choose(opened, stats)
    row = stats.filter(pc.equal(stats["channel"], opened.view.channel)).to_pylist()[0]
    facts, patches = st.columns([2, 7], gap="medium")
    with facts:
        _facts(opened, row)
    with patches:
        _patches(opened)


def _choose(opened: Opened[ChannelsView], stats: pa.Table) -> None:
    layers = data.facts(opened.run).layers
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Layer",
            list(layers),
            key=_key("layer"),
            width=260,
            format_func=lambda name: f"{name} ({layers[name]} channels)",
            on_change=lambda: binding.change(ChannelsView, channel=0, rank=0),
        )
        st.number_input(
            "Channel",
            min_value=0,
            max_value=layers[opened.view.layer] - 1,
            step=1,
            key=_key("channel"),
            width=140,
            on_change=lambda: binding.change(ChannelsView, rank=0),
        )
        all_channels = st.popover(
            "All channels", icon=":material/apps:", key="channels/open", on_change="rerun"
        )
        if all_channels.open:
            with all_channels:
                _all(opened, stats)


def _all(opened: Opened[ChannelsView], stats: pa.Table) -> None:
    """Every channel by its strongest patch."""
    view = opened.view
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Sort by", list(SORTS), key=_key("sort"), format_func=SORTS.get, width=200)
        st.segmented_control("Channels", list(ONLY), key=_key("only"), format_func=ONLY.get)
    order = "ascending" if view.sort == "channel" else "descending"
    shown = stats.sort_by([(view.sort, order), ("channel", "ascending")])
    if view.only != "all":
        shown = shown.filter(pc.equal(shown["dead"], view.only == "dead"))
    if not len(shown):
        st.caption("No channel of this layer is like that.")
        return
    pages = -(-len(shown) // PER_PAGE)
    number = st.pagination(pages, key="channels/page") if pages > 1 else 1
    rows = shown.slice((number - 1) * PER_PAGE, PER_PAGE).to_pylist()
    strongest = _strongest(opened)
    items = [_channel_item(opened, row, strongest.get(row["channel"])) for row in rows]
    image_grid(
        items,
        key="channels/all",
        label="Channels",
        size=64,
        selected=view.channel,
        on_click=lambda chosen: binding.change(ChannelsView, channel=int(chosen), rank=0),
    )


def _strongest(opened: Opened[ChannelsView]) -> dict[int, dict]:
    """The first patch of each channel of the layer."""
    rows = opened.run.select("top_patches", opened.view.layer)
    return {row["channel"]: row for row in rows.filter(pc.equal(rows["rank"], 0)).to_pylist()}


def _channel_item(opened: Opened[ChannelsView], row: dict, patch: dict | None) -> GridItem:
    sort = opened.view.sort
    note = "dead" if row["dead"] else ("" if sort == "channel" else f"{row[sort]:.3g}")
    source = "" if patch is None else pictures.data_url(_patch_png(opened, patch, 64))
    return GridItem(
        row["channel"],
        source,
        alt=f"channel {row['channel']}",
        caption=str(row["channel"]),
        note=note,
        tone="bad" if row["dead"] else "neutral",
    )


def _facts(opened: Opened[ChannelsView], row: dict) -> None:
    layer = (
        data.table(opened.run, "layers")
        .filter(pc.equal(data.table(opened.run, "layers")["layer"], opened.view.layer))
        .to_pylist()[0]
    )
    st.subheader(f"{opened.view.layer}, channel {opened.view.channel}", anchor=False)
    if row["dead"]:
        st.warning("A dead channel: no image of the store activates it.", icon=":material/power_off:")
    st.table(
        {
            "": {
                "Responds to": f"{row['top_class'] or '–'} most, selectivity {_number(row['selectivity'])}",
                "Active at": f"{row['active_share']:.1%} of the places of all maps",
                "Mean, maximum": f"{_number(row['mean'])}, {_number(row['max'])}",
                "Sees": f"{layer['rf_height']} x {layer['rf_width']} pixels",
                "Map": f"{layer['height']} x {layer['width']}, read after {layer['tap']}",
            }
        },
        border="horizontal",
        hide_header=True,
    )
    st.plotly_chart(
        figures.histogram(row["histogram"], row["histogram_low"], row["histogram_high"]),
        config={"displayModeBar": False},
        alt="histogram of the channel's strongest activation in each image",
    )
    ascent = LabView(
        opened.store,
        opened.run.fingerprint,
        "ascend",
        read_parameters("ascend", {})[0],
        layer=opened.view.layer,
        channel=opened.view.channel,
    )
    if "ascend" in METHODS:
        link(ascent, "What it looks for (gradient ascent)")


def _patches(opened: Opened[ChannelsView]) -> None:
    view = opened.view
    rows = opened.run.top_patches(view.layer, view.channel).to_pylist()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**The patches that activate it most**, and below where they lie in their images")
        st.toggle(
            "Guided backprop",
            key=_key("guided"),
            help="Beside each patch, what in it the unit answers to "
            "(Springenberg et al. 2015); computed live",
        )
    crops = [
        GridItem(
            row["rank"],
            pictures.data_url(_patch_png(opened, row, PATCH)),
            note=f"{row['value']:.3f}",
            alt=f"patch {row['rank'] + 1}, activation {row['value']:.3f}",
        )
        for row in rows
    ]
    image_grid(
        crops,
        key="channels/patches",
        label="Patches",
        size=PATCH,
        selected=view.rank,
        on_click=lambda rank: binding.change(ChannelsView, rank=int(rank)),
    )
    if view.guided:
        _guided(opened, rows)
    images = {
        row["image_id"]: row
        for row in opened.run.rows("images", [row["image_id"] for row in rows], IMAGE_COLUMNS).to_pylist()
    }
    wholes = [_whole_item(opened, row, images[row["image_id"]]) for row in rows]
    image_grid(
        wholes,
        key="channels/wholes",
        label="Whole images with the patch marked",
        size=PATCH,
        selected=view.rank,
        on_click=lambda rank: binding.change(ChannelsView, rank=int(rank)),
    )
    chosen = rows[min(view.rank, len(rows) - 1)]
    _chosen(opened, chosen)


def _guided(opened: Opened[ChannelsView], rows: list[dict]) -> None:
    view = opened.view
    pngs = guided_pngs(opened, view.layer, view.channel, rows, PATCH)
    if pngs is None:
        return
    items = [
        GridItem(rank, pictures.data_url(png), alt=f"guided backprop of patch {rank + 1}")
        for rank, png in pngs.items()
    ]
    image_grid(
        items,
        key="channels/guided",
        label="Guided backprop of each patch",
        size=PATCH,
        selected=view.rank,
        on_click=lambda rank: binding.change(ChannelsView, rank=int(rank)),
    )


IMAGE_COLUMNS = ("image_id", "path", "label", "width", "height")


def _whole_item(opened: Opened[ChannelsView], row: dict, image: dict) -> GridItem:
    width, height, box = image["width"], image["height"], _box(row)
    return GridItem(
        row["rank"],
        addresses.thumbnail(opened.store, opened.run.fingerprint, row["image_id"]),
        alt=f"{image['path']} with the patch marked",
        caption=image["label"] or image["path"],
        box=box and (box[0] / width, box[1] / height, box[2] / width, box[3] / height),
    )


def _chosen(opened: Opened[ChannelsView], row: dict) -> None:
    subject = of_store(opened, row["image_id"])
    st.markdown(
        f"**Patch {row['rank'] + 1}**: {subject.name}, unit ({row['y']}, {row['x']}), {row['value']:.4f}"
    )
    tools.links(opened, subject)
    if "guided" not in METHODS:
        return
    guided = LabView(
        opened.store,
        opened.run.fingerprint,
        "guided",
        read_parameters("guided", {})[0],
        live=True,
        image=row["image_id"],
        layer=opened.view.layer,
        channel=opened.view.channel,
        y=row["y"],
        x=row["x"],
    )
    link(guided, "Guided backprop of this unit", ":material/gradient:")


def _patch_png(opened: Opened[ChannelsView], row: dict, side: int) -> bytes:
    return photos.patch(opened.run, row["image_id"], _box(row), side)


def _box(row: dict) -> photos.Box | None:
    """The patch in its photograph; None where the unit's receptive field is not known."""
    box = tuple(row[edge] for edge in ("left", "top", "right", "bottom"))
    return None if None in box else box


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _key(name: str) -> str:
    return binding.key(ChannelsView, name)


draw(open_page(ChannelsView))
