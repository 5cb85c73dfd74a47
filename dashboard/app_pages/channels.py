"""The Channels page: the atlas of all channels, or what one of them responds to."""

from math import isinf

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.reports.drawing.run_images import box_of
from dashboard.components import GridItem, image_grid
from dashboard.data import partners, photographs, runs
from dashboard.findings.names import names_of
from dashboard.sections.channels import ascent, atlas, classes
from dashboard.sections.channels.chooser import choose, key
from dashboard.sections.channels.guided import guided_pngs
from dashboard.text import number, plain
from dashboard.views import binding, urls
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ATLAS, ChannelsView
from dashboard.views.navigation import link
from dashboard.widgets import bar_charts, image_links
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_picker import of_store

PATCH, COLUMNS = 128, 9
IMAGE_COLUMNS = ("image_id", "path", "label", "width", "height")


def draw(opened: Opened[ChannelsView]) -> None:
    """Draw the page."""
    if not opened.view.layer:
        st.info(
            "This network has no layers with maps, so it has no channels to look at.",
            icon=":material/view_module:",
        )
        return
    if opened.view.show == ATLAS:
        atlas.draw(opened)
        return
    stats = opened.run.channels(opened.view.layer)
    choose(opened, stats)
    row = stats.filter(pc.equal(stats["channel"], opened.view.channel)).to_pylist()[0]
    rows = opened.run.top_patches(opened.view.layer, opened.view.channel).to_pylist()
    images = {
        each["image_id"]: each
        for each in opened.run.rows("images", [row["image_id"] for row in rows], IMAGE_COLUMNS).to_pylist()
    }
    with st.container(border=True):
        _title(opened, row, rows, images)
        _patches(opened, rows, images)
        _chosen(opened, rows[min(opened.view.rank, len(rows) - 1)])
    with st.grid(4 if ascent.has_picture(opened) else 3, min_column_width=260, gap="medium"):
        _below(opened, row, rows, images)


def _title(opened: Opened[ChannelsView], row: dict, rows: list[dict], images: dict[int, dict]) -> None:
    view, names = opened.view, names_of(opened.run)
    labels = [images[each["image_id"]]["label"] for each in rows]
    strongest = classes.answered_most(row["top_class"], row["selectivity"], labels)
    with st.container(horizontal=True, vertical_alignment="center"):
        title = names.channel_title(view.layer, view.channel)
        st.subheader(plain(title), anchor=False, width="content")
        if strongest is not None:
            st.image(
                photographs.patch(opened.run, rows[strongest], PATCH),
                width=36,
                alt=f"the strongest patch of {row['top_class']}",
            )
            st.markdown(f"answers most to **{plain(names.class_title(row['top_class']))}**", width="content")
        st.toggle(
            "Guided backprop",
            key=key("guided"),
            help="Below each patch, what in it the unit responds to (Springenberg et al. 2015); made live",
        )
        st.toggle(
            "Gradient ascent",
            key=key("ascent"),
            help="An image that the channel responds to strongly (Olah et al. 2017); computed live, "
            "also where the store keeps one",
        )
        if partners.has_partner(opened.store, opened.run):
            link(
                image_links.compared(opened, tab="channels", layer=view.layer, channel=view.channel),
                "Compare the channel",
            )
        download_menu(opened)
    if row["dead"]:
        st.warning("A dead channel: no image of the store activates it.", icon=":material/power_off:")


def _patches(opened: Opened[ChannelsView], rows: list[dict], images: dict[int, dict]) -> None:
    """Draw three rows in the same columns: the patches, what in them the unit responds to, where they lie."""
    _row(opened, "The patches that activate it most", "patches", [_patch_item(opened, row) for row in rows])
    if opened.view.guided:
        with boundary():
            _guided(opened, rows)
    wholes = [_whole_item(opened, row, images[row["image_id"]]) for row in rows]
    _row(opened, "Where they lie in their images", "wholes", wholes)


def _row(opened: Opened[ChannelsView], title: str, name: str, items: list[GridItem]) -> None:
    st.caption(title)
    image_grid(
        items,
        key=f"channels/{name}",
        label=title,
        size=PATCH,
        columns=COLUMNS,
        selected=opened.view.rank,
        on_click=lambda rank: binding.change(ChannelsView, rank=int(rank)),
    )


def _patch_item(opened: Opened[ChannelsView], row: dict) -> GridItem:
    return GridItem(
        row["rank"],
        data_url(photographs.patch(opened.run, row, PATCH)),
        note=f"{row['value']:.3f}",
        alt=f"patch {row['rank'] + 1}, activation {row['value']:.3f}",
    )


def _guided(opened: Opened[ChannelsView], rows: list[dict]) -> None:
    pngs = guided_pngs(opened, opened.view.layer, opened.view.channel, rows, PATCH)
    if pngs is not None:
        items = [
            GridItem(rank, data_url(png), alt=f"guided backprop of patch {rank + 1}")
            for rank, png in pngs.items()
        ]
        _row(opened, "What in them it responds to (guided backprop)", "guided", items)


def _whole_item(opened: Opened[ChannelsView], row: dict, image: dict) -> GridItem:
    width, height, box = image["width"], image["height"], box_of(row)
    return GridItem(
        row["rank"],
        urls.thumbnail(opened.store, opened.run.fingerprint, row["image_id"]),
        alt=f"{image['path']} with the patch marked",
        caption=image["label"] or image["path"],
        box=box and (box[0] / width, box[1] / height, box[2] / width, box[3] / height),
    )


def _chosen(opened: Opened[ChannelsView], row: dict) -> None:
    chosen = of_store(opened, row["image_id"])
    view = opened.view
    where = f"unit ({row['y']}, {row['x']})"
    st.markdown(f"**Patch {row['rank'] + 1}**: {plain(chosen.name)}, {where}, {row['value']:.4f}")
    image_links.links(opened, chosen, image_links.Unit(view.layer, view.channel, row["y"], row["x"]))


def _below(opened: Opened[ChannelsView], row: dict, rows: list[dict], images: dict[int, dict]) -> None:
    pictured = ascent.has_picture(opened)
    if pictured:
        with st.container(), boundary():
            ascent.draw(opened)
    with st.container():
        _facts(opened, row)
        if not pictured:
            link(opened.view.in_the_lab(), "What it looks for (gradient ascent)")
    with st.container():
        st.markdown("**How strongly it responds to the images**")
        bar_charts.histogram(
            row["histogram"],
            row["histogram_low"],
            row["histogram_high"],
            title="strongest activation in the image",
            alt="histogram of the channel's strongest activation in each image",
        )
    with st.container():
        _classes(opened, row, rows, images)


def _facts(opened: Opened[ChannelsView], row: dict) -> None:
    layers: pa.Table = runs.table(opened.run, "layers")
    layer = layers.filter(pc.equal(layers["layer"], opened.view.layer)).to_pylist()[0]
    st.markdown("**The unit**")
    st.table(
        {
            "": {
                "Active at": f"{row['active_share']:.1%} of the places of all maps",
                "Mean, maximum": f"{number(row['mean'])}, {number(row['max'])}",
                "Sees": f"{layer['rf_height']} x {layer['rf_width']} pixels",
                "Map": f"{layer['height']} x {layer['width']}, read after {plain(layer['tap'])}",
            }
        },
        border="horizontal",
        hide_header=True,
    )


def _classes(opened: Opened[ChannelsView], row: dict, rows: list[dict], images: dict[int, dict]) -> None:
    titled = names_of(opened.run).class_title
    st.markdown("**Which classes it responds to**")
    labelled = any(image["label"] for image in images.values())
    if row["selectivity"] is not None and labelled:
        times = classes.times_as_strong(row["selectivity"])
        said = "and it is 0 in all others" if isinf(times) else f"{times:.3g} times that in the others"
        greatest = f"its mean is greatest in {plain(titled(row['top_class']))}, {said}"
        st.markdown(f"Selectivity **{row['selectivity']:.3f}**: {greatest}.")
    groups = classes.by_class(
        [each["value"] for each in rows], [images[each["image_id"]]["label"] for each in rows]
    )
    bar_charts.bars(
        classes.bars(groups, titled),
        title="mean activation",
        alt="mean activation of the strongest patches by the label of their image",
    )
    st.caption(
        f"The labels of the {len(rows)} patches above, not of all images: the store keeps each channel's "
        "strongest class and its selectivity (Morcos et al. 2018), not every class's mean."
    )


draw(open_page(ChannelsView))
