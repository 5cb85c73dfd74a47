"""The Overview page: the network and its images."""

import pyarrow.compute as pc
import streamlit as st

from compute.reports.drawing.run_images import preprocessing_of
from dashboard.components import GridItem, image_grid
from dashboard.data import runs
from dashboard.data.predictions import predicts
from dashboard.sections.overview import ask, first_sight
from dashboard.sections.overview.filters import filter_pictures
from dashboard.text import plain
from dashboard.views import binding
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ASK, ATLAS, ChannelsView, ImageView, OverviewView
from dashboard.views.link_html import Column, Row, link_table
from dashboard.views.navigation import address_up_to
from dashboard.widgets.capability_list import capability_list
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened, open_page
from featurestore.reader import Run

MOST_PROBLEMS = 500
"""Images that could not be read, of which the page shows a row each."""

SCALINGS = {"filter": "Each filter by its own range", "all": "All by one range"}


def numbers(run: Run) -> None:
    """Draw the numbers of images, classes and parameters, and the accuracy."""
    model, images = run.manifest.model, run.manifest.images
    accuracy = model.get("accuracy") or {}
    shown = [
        ("Images", f"{run.image_count:,}"),
        ("Classes", f"{len(run.class_names):,}"),
        ("Parameters", f"{model['parameters']:,}" if "parameters" in model else "–"),
        *(
            (f"Accuracy, {plain(split)}", f"{value:.1%}")
            for split, value in accuracy.items()
            if value is not None
        ),
        ("Unreadable images", f"{images.get('problems', 0):,}"),
    ]
    with st.grid("auto", min_column_width=150):
        for label, value in shown:
            st.metric(label, value, border=True)


def cards(run: Run) -> None:
    """Draw what network and what images the run is of."""
    left, right = st.columns(2)
    manifest = run.manifest
    model, images = manifest.model, manifest.images
    preprocessing = model.get("preprocessing", {})
    with left.container(border=True, height="stretch"):
        st.subheader("Network", anchor=False)
        table(
            {
                "Name": plain(model["name"]),
                "Input": plain(preprocessing_of(run).in_words()),
                "Mean, deviation": f"{_few(preprocessing.get('mean'))} and {_few(preprocessing.get('std'))}",
                **scores(run),
                "Feature": f"{model.get('feature_dim', '–')} numbers, {feature(run)}",
                "Weights, SHA-256": plain(model["weights_hash"][:16]),
                "Computed on": plain(f"{manifest.device}, {manifest.dtype}, {manifest.threads} threads"),
                **off_by(manifest.notes.get("precision_error")),
                **remarks(run),
            }
        )
    with right.container(border=True, height="stretch"):
        st.subheader("Images", anchor=False)
        table(
            {
                "Source": plain(str(images.get("spec", "–"))),
                "Images": f"{run.image_count:,}, {images.get('problems', 0)} of them unreadable",
                "Splits": splits(run),
                "Set, SHA-256": plain(str(images.get("hash", "–"))[:16]),
                "Run": plain(run.fingerprint),
                "Tables": ", ".join(run.tables()),
            }
        )


def off_by(error: dict[str, float] | None) -> dict[str, str]:
    """Return the row that says how far mixed precision is off; none for a store in float32."""
    if not error:
        return {}
    logits = f"{error['logits']:.2g} standard deviations of the logits, " if "logits" in error else ""
    stay = f"; {error['predictions']:.1%} of predictions stay" if "predictions" in error else ""
    return {
        "Off from float32": f"at most {logits}{error['features']:.2g} of the features{stay} "
        f"({error['images']} images)"
    }


def scores(run: Run) -> dict[str, str]:
    """Return the row that says what the class scores mean; none for an older store."""
    said = (run.manifest.model.get("scores") or {}).get("said")
    return {} if said is None else {"Scores": plain(said)}


def feature(run: Run) -> str:
    """Say what of the network the feature is."""
    chosen = run.manifest.model.get("feature")
    if chosen is not None:
        return f"the value of layer {plain(chosen)}, pooled"
    return "the last linear layer's input" if predicts(run) else "what the network gives, pooled"


def remarks(run: Run) -> dict[str, str]:
    """Return the rows that say what stepped aside, what there is no gradient of, and what was left out."""
    said = [each for each in run.manifest.remarks if not each.startswith(("scores: ", "feature: "))]
    return {"To be known": plain(". ".join(said))} if said else {}


def table(rows: dict[str, str]) -> None:
    """Draw names and values."""
    st.table({"": rows}, border="horizontal", hide_header=True)


def splits(run: Run) -> str:
    """Say how many images each split has."""
    counts = pc.value_counts(runs.table(run, "images", ("split",))["split"]).to_pylist()
    return ", ".join(f"{plain(each['values'] or 'no split')} {each['counts']:,}" for each in counts)


def filters(run: Run, view: OverviewView) -> None:
    """Draw the filters of the first layer; a click opens the channel."""
    st.subheader("First-layer filters", anchor=False)
    st.caption(
        "What the first convolution looks for, in the space of pixels; mid-grey is 0. Scaled each by its own "
        "range, weak filters look as strong as the others; by one range, they don't."
    )
    st.segmented_control(
        "Scaling",
        list(SCALINGS),
        key=binding.key(OverviewView, "scaling"),
        format_func=SCALINGS.get,
        label_visibility="collapsed",
    )
    shown = filter_pictures(runs.table(run, "filters"), view.scaling)
    items = [
        GridItem(
            name,
            data_url(png),
            alt=f"first-layer filter {name}",
            caption=name,
            goes_to=name.partition("/")[0],
        )
        for name, png in shown
    ]
    first = ChannelsView(view.store, view.run, layer=next(iter(runs.choices(run).layers), ""))
    image_grid(
        items,
        key="overview/filters",
        label="First-layer filters",
        size=64,
        pixelated=True,
        link=address_up_to(first, "channel"),
    )
    st.caption("A click shows what activates the filter most.")


def layers(run: Run, view: OverviewView) -> None:
    """Draw a table of the layers; a click on one shows its channels."""
    st.subheader("Layers", anchor=False)
    if not runs.choices(run).layers:
        st.caption("This network has no layers with maps, so it has no channels to look at.")
        return
    counts = dead(run)
    rows = [
        Row(
            ChannelsView(view.store, view.run, show=ATLAS, opened=row["layer"]),
            _layer(row, counts.get(row["layer"])),
        )
        for row in runs.table(run, "layers").to_pylist()
    ]
    link_table(LAYER_COLUMNS, rows, "Layers")
    st.caption("A click on a layer shows its channels.")


LAYER_COLUMNS = (
    Column("Layer"),
    Column("Kind"),
    Column("Read after", "Where in the network a channel's value is taken"),
    Column("Channels in", is_number=True),
    Column("Channels", is_number=True),
    Column("Map", "Height x width, in units", is_number=True),
    Column("Receptive field", "Height x width in input pixels", is_number=True),
    Column("Stride", "Input pixels between neighbouring units", is_number=True),
    Column("Dead", "Channels that no image of the store activates", is_number=True),
)


def _layer(row: dict, dead: int | None) -> list[str]:
    """Return a layer's cells, in the order of LAYER_COLUMNS."""
    return [
        *(row[name] or "" for name in ("layer", "kind", "tap")),
        *(f"{row[name]:,}" for name in ("in_channels", "channels")),
        f"{row['height']} x {row['width']}",
        f"{row['rf_height']} x {row['rf_width']}",
        f"{row['stride_y']:g}",
        "–" if dead is None else f"{dead:,}",
    ]


def dead(run: Run) -> dict[str, int]:
    """Return how many channels of each layer no image activates; empty where the store does not say."""
    if "channels" not in run.tables():
        return {}
    channels = runs.table(run, "channels", ("layer", "dead")).group_by("layer").aggregate([("dead", "sum")])
    return dict(zip(channels["layer"].to_pylist(), channels["dead_sum"].to_pylist(), strict=True))


def problems(run: Run, view: OverviewView) -> None:
    """Draw a table of the images that could not be read, if there are any; a click on one shows its page."""
    if "problems" not in run.tables() or not len(runs.table(run, "problems")):
        return
    st.subheader("Images that could not be read", anchor=False)
    table = runs.table(run, "problems")
    columns = (Column("Image", is_number=True), Column("Path"), Column("Why"))
    rows = [
        Row(
            ImageView(view.store, view.run, image=each["image_id"]),
            [str(each["image_id"]), each["path"], each["reason"]],
        )
        for each in table.slice(0, MOST_PROBLEMS).to_pylist()
    ]
    link_table(columns, rows, "Images that could not be read")
    if len(table) > MOST_PROBLEMS:
        st.caption(f"The first {MOST_PROBLEMS:,} of {len(table):,}; the table `problems` has all of them.")


def _few(values) -> str:
    return "–" if values is None else ", ".join(f"{value:.3g}" for value in values)


def draw(opened: Opened[OverviewView]) -> None:
    """Draw the page."""
    if opened.view.show == ASK:
        ask.draw(opened)
        return
    first_sight.draw(opened)
    with st.expander("The network and its images: numbers, input, weights, tables", icon=":material/info:"):
        numbers(opened.run)
        cards(opened.run)
    with st.container(horizontal=True, vertical_alignment="center"):
        download_menu(opened)
        ask.link_here(opened)
    filters(opened.run, opened.view)
    layers(opened.run, opened.view)
    st.subheader("What can be shown of this network", anchor=False)
    capability_list(opened.run)
    problems(opened.run, opened.view)


draw(open_page(OverviewView))
