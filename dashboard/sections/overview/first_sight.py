"""What the Overview page shows at first sight: the map, three channels, three errors, the latest findings."""

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.reports.maps import grid
from compute.reports.mistakes import wrong_lists
from dashboard.components import GridItem, deep_zoom, image_grid
from dashboard.data import first_shown, photographs, runs
from dashboard.data.channels import showcase
from dashboard.data.labelled_images import cell_of, labelled
from dashboard.data.predictions import predicts
from dashboard.data.runs import BY_FOLDER
from dashboard.findings.folder import findings
from dashboard.findings.names import names_of
from dashboard.findings.recheck import view_of
from dashboard.sections.channels.classes import answered_most
from dashboard.text import counted, map_name, percent, plain
from dashboard.views import urls
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ChannelsView, FindingsView, MapView, MistakesView, OverviewView
from dashboard.views.navigation import PAGES, address_up_to, link
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened
from dashboard.widgets.image_links import explaining
from dashboard.widgets.image_wall import grid_items
from dashboard.widgets.keyboard import walk_through
from featurestore.reader import Run

HEIGHT = 610
"""Of the map, in CSS pixels: with what stands above it and the fold below it fills a screen of 950."""

CHANNELS, PATCHES, ERRORS, FINDINGS = 3, 6, 3, 3
"""How many of each are shown."""

SIDE = 64
"""Of a patch, in CSS pixels."""

Draw = Callable[[Opened[OverviewView]], None]


def draw(opened: Opened[OverviewView]) -> None:
    """Draw the first screen."""
    st.markdown(said_of(opened))
    left, right = st.columns([11, 9], gap="medium")
    with left, boundary():
        _map(opened)
    with right:
        parts: tuple[Draw, ...] = (_channels, _errors, _findings)
        for part in parts:
            with boundary():
                part(opened)


def said_of(opened: Opened[OverviewView]) -> str:
    """Say in a sentence what the tool is, and of which network and how many images."""
    run = opened.run
    accuracy = (run.manifest.model.get("accuracy") or {}).items()
    shares = {split: f"{value:.1%}" for split, value in accuracy if value is not None}
    # Where there is no split, all are all there are.
    right = (
        list(shares.values()) if len(shares) == 1 else [f"{plain(each)} {shares[each]}" for each in shares]
    )
    known = f" Right: {', '.join(right)}." if right else ""
    return (
        f"**Featurescope** shows what the network **{plain(run.manifest.model['name'])}** makes of "
        f"{counted(run.image_count)}: which ones it finds alike, what its channels answer to, and where it "
        f"errs.{known}"
    )


def _map(opened: Opened[OverviewView]) -> None:
    """Draw the truest map as thumbnails; a click explains an image."""
    run, choices = opened.run, runs.choices(opened.run)
    method = next((each for each in choices.maps if choices.grids.get(each)), "")
    if not method:
        st.info("This run has no map of thumbnails yet.", icon=":material/scatter_plot:")
        return
    view = MapView(opened.store, run.fingerprint, map=method, show="grid", kind=choices.grids[method][0])
    made = grid.grid(run, method, view.kind)
    link(view, f"Images that the network finds alike ({plain(map_name(method))})")

    events = deep_zoom(
        urls.deep_zoom_grid(opened.store, run.fingerprint, method, view.kind, False),
        made.pyramid,
        key="overview/map",
        height=HEIGHT,
        label=f"Grid of images by {map_name(method)}",
    )
    if events.clicked is not None and (image := int(made.image_id[events.clicked])) >= 0:
        asked = explaining(opened, image)
        st.switch_page(PAGES[asked.page].file, query_params=asked.to_query())


def _channels(opened: Opened[OverviewView]) -> None:
    """Draw the channels that tell most, each by its strongest patches."""
    run = opened.run
    if "top_patches" not in run.tables():
        return
    names = names_of(run)
    for layer, channel, rows, answer in _telling(run)[:CHANNELS]:
        view = ChannelsView(opened.store, run.fingerprint, layer=layer, channel=channel)
        link(view, plain(f"{names.channel_title(layer, channel)}{answer}"))
        items = [
            GridItem(
                row["rank"],
                data_url(photographs.patch(run, row, SIDE)),
                alt=f"patch {row['rank'] + 1} of channel {channel}",
            )
            for row in rows[:PATCHES]
        ]
        looked_for = _looked_for(run, layer, channel)
        image_grid(
            items + looked_for,
            key=f"overview/channel {layer} {channel}",
            label=f"Strongest patches of channel {channel}",
            size=SIDE,
            columns=PATCHES + len(looked_for),
            link=address_up_to(view, "rank"),
        )


def _looked_for(run: Run, layer: str, channel: int) -> list[GridItem]:
    """Return the picture that gradient ascent found for a channel, where the store keeps one."""
    picture = showcase.tile(run, layer, channel, 2 * SIDE)
    if picture is None:
        return []
    said = f"what channel {channel} looks for, found by gradient ascent"
    return [GridItem("ascent", data_url(picture), alt=said, badge="ascent", goes_to=0)]


@st.cache_data(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def _telling(run: Run) -> list[tuple[str, int, list[dict], str]]:
    """Return (layer, channel, strongest patches, what is said of its class), a clear class first."""
    found = []
    for layer, channel in first_shown.telling_channels(run, 3 * CHANNELS):
        rows = run.top_patches(layer, channel).to_pylist()
        found.append((layer, channel, rows, _answer(run, layer, channel, rows)))
    return sorted(found, key=lambda each: not each[3])


def _answer(run: Run, layer: str, channel: int, rows: list[dict]) -> str:
    """Say which class a channel answers most to, where that is clear. rows: its strongest patches."""
    stats = run.channels(layer) if "channels" in run.tables() else None
    if stats is None:
        return ""
    row = stats.filter(pc.equal(stats["channel"], channel)).to_pylist()[0]
    known = runs.table(run, "images", ("image_id", "label"))["label"]
    labels = [known[each["image_id"]].as_py() for each in rows]
    clear = answered_most(row["top_class"], row["selectivity"], labels) is not None
    return f" answers most to {row['top_class']}" if clear else ""


def _errors(opened: Opened[OverviewView]) -> None:
    """Draw the errors that the network is surest of, or say why there are none."""
    run = opened.run
    images = labelled(run).images if predicts(run) else pa.table({"label": []})
    if not len(images) or not pc.count(images["correct"]).as_py():
        st.caption("No label is one of the network's classes, so nothing is right or wrong.")
        return
    wrong = wrong_lists(images) if run.manifest.labels_are_lists else cell_of(run, "", "", "")
    link(MistakesView(opened.store, run.fingerprint), "Most confident errors")
    if not len(wrong):
        st.caption("The network is right about every labelled image.")
        return
    first = wrong.slice(0, ERRORS)
    items = [
        replace(item, badge=percent(share))
        for item, share in zip(grid_items(opened, first), first["probability"].to_pylist(), strict=True)
    ]
    opens = explaining(opened, 0)
    walk_through(opens, wrong["image_id"].to_numpy())
    image_grid(
        items,
        key="overview/errors",
        label="Most confident errors",
        size=84,
        link=address_up_to(opens, "image"),
    )


def _findings(opened: Opened[OverviewView]) -> None:
    """Draw links to the findings that were pinned last."""
    link(FindingsView(opened.store, opened.run.fingerprint), "Latest findings")
    served = runs.stores()
    kept = [each.finding for each in findings().all() if each.finding and each.finding.store in served]
    for finding in kept[:FINDINGS]:
        try:
            link(view_of(finding)[0], plain(finding.title), ":material/arrow_right:")
        except ValueError:
            # Of a page that there is not any more; the Findings page says so.
            continue
    if not kept:
        st.caption("None yet. **Pin**, above, keeps what a page shows with a note and its numbers.")
