"""A store and a run in a notebook: what the manifest says, and a few thumbnails. No table is read whole."""

from typing import TYPE_CHECKING

import numpy as np

from featurestore.layout import MANIFEST
from featurestore.manifest import read_manifest
from featurestore.notebook import html
from featurestore.notebook.images import counted, percent, wall
from featurestore.places import Place
from featurestore.schemas import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.manifest import Manifest
    from featurestore.reader import Run, Store

THUMBNAILS = 8
MOST_RUNS = 12
LARGE = 2**21
"""Bytes of a manifest that takes long to read: a million images' take a second."""

MOST_CLASSES = 12


def run_card(run: "Run") -> str:
    """Return what a run is: network, images, classes, accuracy, tables, and what it has nothing of."""
    manifest = run.manifest
    rows = {
        name: sum(manifest.files[file].rows for file in manifest.table_files(name)) for name in run.tables()
    }
    missing = [name for name in TABLES if name not in rows]
    said = {
        "network": html.text(manifest.model.get("name")),
        "images": f"{counted(run.image_count)} of {html.text(manifest.images.get('spec'))}",
        "classes": _classes(manifest),
        "accuracy": html.text(accuracy(manifest)),
        "made": html.text(html.spoken(manifest.notes.get("created"))),
        "fingerprint": html.text(run.fingerprint),
        "tables": html.text(", ".join(f"{name} {count:,}" for name, count in rows.items()), 600),
    }
    if missing:
        said["not computed"] = html.text(", ".join(missing), 600)
    notes = [html.quiet(html.text(remark, 400)) for remark in manifest.remarks[:6]]
    spread = np.unique(np.linspace(0, run.image_count - 1, min(THUMBNAILS, run.image_count)).astype(int))
    title = f"Run of {html.text(run.folder.parent.parent)}"
    return html.card(title, html.facts(said), html.or_reason(lambda: wall(run, spread)), *notes)


def store_card(store: "Store") -> str:
    """Return the runs of a store, the current one first; of many, or with large manifests, not all."""
    runs = store.runs()
    current = html.or_reason(store.current) if runs else None
    runs.sort(key=lambda each: each != current)
    lines = [[*_run_line(store.path / "runs" / each), each == current] for each in runs[:MOST_RUNS]]
    parts = [html.rows(("run", "network", "images", "accuracy", "made", "current"), lines)] if lines else []
    if len(runs) > MOST_RUNS:
        parts.append(html.quiet(f"and {len(runs) - MOST_RUNS} more"))
    written = store.progress()
    if written is not None:
        parts.append(html.quiet(f"being written: {html.text(written or 'a run')}"))
    return html.card(f"Store {html.text(store.path)}, {counted(len(runs), 'run')}", *parts)


def accuracy(manifest: "Manifest") -> str:
    """Return the share of right predictions in each split, in words."""
    found = manifest.model.get("accuracy") or {}
    return (
        ", ".join(f"{split} {percent(share)}" for split, share in found.items())
        or "no labels to compare with"
    )


def _classes(manifest: "Manifest") -> str:
    names = manifest.class_names
    more = f", … ({len(names):,})" if len(names) > MOST_CLASSES else ""
    return html.text(", ".join(names[:MOST_CLASSES]), 400) + more if names else "no class scores"


def _run_line(folder: Place) -> list[str]:
    """Fingerprint, network, images, accuracy and when it was made."""
    if _is_large(folder / MANIFEST):
        return [folder.name, "open it to see", "", "", ""]
    try:
        manifest = read_manifest(folder)
    except (ValueError, OSError) as error:
        return [folder.name, str(error), "", "", ""]
    count, created = manifest.images.get("count"), manifest.notes.get("created")
    return [
        folder.name,
        html.spoken(manifest.model.get("name")),
        html.spoken(count),
        accuracy(manifest),
        html.spoken(created),
    ]


def _is_large(file: "Path | Place") -> bool:
    return hasattr(file, "stat") and file.stat().st_size > LARGE
