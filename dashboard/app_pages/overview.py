"""The Overview page: the network and its images."""

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.reports.drawing.run_images import preprocessing_of
from dashboard.components import GridItem, data_url, image_grid
from dashboard.data import runs
from dashboard.data.predictions import predicts
from dashboard.sections.overview import first_sight
from dashboard.sections.overview.filters import filter_pictures
from dashboard.text import plain
from dashboard.views import binding
from dashboard.views.definitions import ChannelsView, OverviewView
from dashboard.views.navigation import address_up_to, link
from dashboard.widgets.capability_list import capability_list
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import open_page
from featurestore.reader import Run

SCALINGS = {"filter": "Each filter by its own range", "all": "All by one range"}


def numbers(run: Run) -> None:
    """Draw the numbers of images, classes and parameters, and the accuracy."""
    model, images = run.manifest.model, run.manifest.images
    accuracy = model.get("accuracy") or {}
    shown = [
        ("Images", f"{run.image_count:,}"),
        ("Classes", f"{len(run.class_names):,}"),
        ("Parameters", f"{model['parameters']:,}" if "parameters" in model else "–"),
        *((f"Accuracy, {split}", f"{value:.1%}") for split, value in accuracy.items() if value is not None),
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
                "Name": model["name"],
                "Input": preprocessing_of(run).in_words(),
                "Mean, deviation": f"{_few(preprocessing.get('mean'))} and {_few(preprocessing.get('std'))}",
                **scores(run),
                "Feature": f"{model.get('feature_dim', '–')} numbers, {feature(run)}",
                "Weights, SHA-256": f"`{model['weights_hash'][:16]}`",
                "Computed on": f"{manifest.device}, {manifest.dtype}, {manifest.threads} threads",
                **off_by(manifest.notes.get("precision_error")),
                **remarks(run),
            }
        )
    with right.container(border=True, height="stretch"):
        st.subheader("Images", anchor=False)
        table(
            {
                "Source": f"`{images.get('spec', '–')}`",
                "Images": f"{run.image_count:,}, {images.get('problems', 0)} of them unreadable",
                "Splits": splits(run),
                "Set, SHA-256": f"`{str(images.get('hash', '–'))[:16]}`",
                "Run": f"`{run.fingerprint}`",
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
    return ", ".join(f"{each['values'] or 'no split'} {each['counts']:,}" for each in counts)


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
            data_url.data_url(png),
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
    """Draw a table of the layers."""
    st.subheader("Layers", anchor=False)
    columns = [
        "layer",
        "kind",
        "tap",
        "in_channels",
        "channels",
        "height",
        "width",
        "rf_height",
        "rf_width",
        "stride_y",
    ]
    rows = runs.table(run, "layers").select(columns)
    dead = runs.table(run, "channels", ("layer", "dead")).group_by("layer").aggregate([("dead", "sum")])
    st.dataframe(
        _rows(rows, dead),
        hide_index=True,
        column_config={
            "layer": "Layer",
            "kind": "Kind",
            "tap": st.column_config.TextColumn(
                "Read after", help="Where in the network a channel's value is taken"
            ),
            "in_channels": "Channels in",
            "channels": "Channels",
            "map": st.column_config.TextColumn("Map", help="Height x width, in units"),
            "field": st.column_config.TextColumn("Receptive field", help="Height x width in input pixels"),
            "stride_y": st.column_config.NumberColumn(
                "Stride", help="Input pixels between neighbouring units"
            ),
            "dead": st.column_config.NumberColumn(
                "Dead", help="Channels that no image of the store activates"
            ),
        },
    )
    link(
        ChannelsView(view.store, view.run, layer=next(iter(runs.choices(run).layers), "")),
        "Look at the channels",
    )


def _rows(layers: pa.Table, dead: pa.Table) -> list[dict]:
    counts = dict(zip(dead["layer"].to_pylist(), dead["dead_sum"].to_pylist(), strict=True))
    rows = []
    for row in layers.to_pylist():
        kept = {name: row[name] for name in ("layer", "kind", "tap", "in_channels", "channels")}
        sizes = {
            "map": f"{row['height']} x {row['width']}",
            "field": f"{row['rf_height']} x {row['rf_width']}",
        }
        rows.append(kept | sizes | {"stride_y": row["stride_y"], "dead": counts.get(row["layer"])})
    return rows


def problems(run: Run) -> None:
    """Draw a table of the images that could not be read, if there are any."""
    if "problems" not in run.tables() or not len(runs.table(run, "problems")):
        return
    st.subheader("Images that could not be read", anchor=False)
    st.dataframe(
        runs.table(run, "problems").to_pandas(),
        hide_index=True,
        column_config={"image_id": "Image", "path": "Path", "reason": "Why"},
    )


def _few(values) -> str:
    return "–" if values is None else ", ".join(f"{value:.3g}" for value in values)


opened = open_page(OverviewView)
first_sight.draw(opened)
with st.expander("The network and its images: numbers, input, weights, tables", icon=":material/info:"):
    numbers(opened.run)
    cards(opened.run)
download_menu(opened)
filters(opened.run, opened.view)
layers(opened.run, opened.view)
st.subheader("What can be shown of this network", anchor=False)
capability_list(opened.run)
problems(opened.run)
