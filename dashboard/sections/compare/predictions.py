"""The tab Predictions: the images whose predicted class changed, with both predictions."""

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboard.components import GridItem
from dashboard.data import comparison
from dashboard.data.comparison import Pair
from dashboard.data.predictions import predicts
from dashboard.findings.names import names_of
from dashboard.findings.names.class_box import class_box
from dashboard.sections.compare import image, shared_images
from dashboard.text import counted, plain
from dashboard.views import binding
from dashboard.views.definitions import CompareView

KINDS = {
    "all": "All changed",
    "fixed": "Fixed",
    "broken": "Broken",
    "both wrong": "Both wrong",
    "changed": "No known label",
}
TONES = {"fixed": "good", "broken": "bad"}


def draw(pair: Pair) -> None:
    """Draw the tab."""
    silent = [plain(name) for name, run in zip(pair.names, pair.runs, strict=True) if not predicts(run)]
    if silent:
        image.show(pair)
        gives = "gives" if len(silent) == 1 else "give"
        said = f"{' and '.join(silent)} {gives} no class scores: there are no predictions to compare."
        st.info(said, icon=":material/label_off:")
        return
    first, other = map(plain, pair.names)
    predictions = pair.compared.predictions
    changed = comparison.changed(*pair.runs, "all", "")
    if not len(changed):
        image.show(pair)
        st.success(
            f"Both networks predict the same class for all {counted(len(predictions))}.",
            icon=":material/check:",
        )
        return
    shown = _chosen_of(pair, changed)
    image.show(pair)
    if not len(shown):
        st.caption("No changed prediction is like that.")
        return
    st.caption(
        f"{len(shown):,} of {len(predictions):,} images; those that {other} is most sure of first. The label "
        f"is green where {other} is right and {first} wrong (fixed), red where it is the other way round "
        "(broken). A click shows what both networks say."
    )
    shared_images.wall(pair, shown, _item, "predictions")


def _chosen_of(pair: Pair, changed: pa.Table) -> pa.Table:
    counts = {each["values"]: each["counts"] for each in pc.value_counts(changed["kind"]).to_pylist()}
    counts["all"] = len(changed)
    view, (first, other) = pair.view, map(plain, pair.names)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Kind",
            [kind for kind in KINDS if kind in counts or kind == view.kind],
            key=binding.key(CompareView, "kind"),
            format_func=lambda kind: f"{KINDS[kind]} ({counts.get(kind, 0):,})",
            help=f"Fixed: {first} is wrong and {other} right. Broken: the reverse.",
            on_change=shared_images.turn_back,
        )
        known = pc.unique(changed["label"].drop_null()).to_pylist()
        labels = ["", *sorted({*known, *filter(None, [view.label])})]
        key, names = binding.key(CompareView, "label"), names_of(pair.run)
        class_box("Label", labels, key, names, "any label", width=220, on_change=shared_images.turn_back)
    return comparison.changed(*pair.runs, view.kind, view.label)


def _item(row: dict, thumbnail: str) -> GridItem:
    return GridItem(
        row["image_id"],
        thumbnail,
        alt=f"image {row['image_id']}, {row['label'] or 'no label'}: {row['predicted']}, then "
        f"{row['other_predicted']}",
        caption=f"{row['predicted']} {_percent(row['probability'])}",
        note=f"→ {row['other_predicted']} {_percent(row['other_probability'])}",
        badge=row["label"] or "",
        tone=TONES.get(row["kind"], "neutral"),
    )


def _percent(probability: float) -> str:
    return f"{probability:.0%}" if probability >= 0.1 else f"{probability:.1%}"
