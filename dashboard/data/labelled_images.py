"""The labelled images of the Mistakes page; what is counted of them is counted once for all sessions."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.reports.drawing import further_columns
from compute.reports.mistakes import cell, confusion_counts
from dashboard.data import runs
from dashboard.data.runs import BY_FOLDER
from dashboard.views.definitions import MistakesView
from dashboard.views.query_text import resolved
from featurestore.reader import Run

COLUMNS = ("image_id", "path", "label", "predicted", "correct", "split", "probability", "loss")
"""Columns of `images` that are read for pages which show many images."""


@dataclass(frozen=True)
class Labelled:
    """Images that have a label.

    images: their rows of `images`, with COLUMNS.
    classes: the network's, in its order.
    split: the split that they are of; "" for all.
    """

    images: pa.Table
    classes: tuple[str, ...]
    split: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def splits(self) -> list[str]:
        return self._names("split")

    @cached_property
    def labels(self) -> list[str]:
        return self._names("label")

    @cached_property
    def predictions(self) -> list[str]:
        return self._names("predicted")

    @cached_property
    def confusion(self) -> tuple[np.ndarray, list[str], list[str]]:
        """The counts (labels, predictions), the labels and the predictions."""
        return confusion_counts(self.images, self.classes)

    def of(self, image_ids: np.ndarray) -> "Labelled":
        """Return those of the images that are among `image_ids`."""
        chosen = np.isin(self.images["image_id"].to_numpy(), image_ids)
        return replace(self, images=self.images.filter(chosen))

    def _names(self, column: str) -> list[str]:
        return sorted(pc.unique(self.images[column]).drop_null().to_pylist())


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def labelled(run: Run, split: str = "") -> Labelled:
    """Return the labelled images of one split, or of all."""
    lists = run.manifest.labels_are_lists
    images = runs.table(run, "images", (*COLUMNS, "top5") if lists else COLUMNS)
    images = images.filter(pc.is_valid(images["label"]))
    if split:
        images = images.filter(pc.equal(images["split"], split))
    return Labelled(images, run.class_names, split)


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def cell_of(run: Run, split: str, label: str, predicted: str) -> pa.Table:
    """Return the images of a cell of the confusion matrix, in the order in which they are shown."""
    return cell(labelled(run, split).images, label, predicted)


@st.cache_resource(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def images_where(run: Run, where: str) -> np.ndarray:
    """Return the image_ids (n,) that fulfil a condition on a further column; ValueError for a malformed
    one."""
    return further_columns.images_where(run, where)


@st.cache_resource(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def values_of(run: Run, column: str) -> list[str]:
    """Return the different values of a further column of texts, sorted."""
    return further_columns.distinct(run, column)


def condition(run: Run, view: MistakesView) -> str:
    """Return the condition that a view has on a further column, as the command line says it; "" for none."""
    if not (view.column and view.value):
        return ""
    numeric = further_columns.is_numeric(run, view.column)
    value = view.value if numeric else resolved(view.value, values_of(run, view.column))
    return f"{view.column}={value}"
