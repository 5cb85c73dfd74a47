"""A run's card for an agent: what there is to ask for."""

from typing import Any

import pyarrow as pa

from compute.cli.agents.bounded import bounded, bounded_row, text
from compute.cli.agents.workspace import Workspace
from featurestore.reader import Run, Store
from featurestore.schemas import TABLES

LAYER_COLUMNS = ("layer", "kind", "channels", "height", "width")
MOST_CLASSES = 100
MOST_LAYERS = 400


def card(workspace: Workspace) -> dict[str, Any]:
    """Return what a run holds: network, images, classes, layers, tables, and what was not computed."""
    run = workspace.run
    manifest, model = run.manifest, run.manifest.model
    names = ("name", "parameters", "accuracy", "weights_hash", "feature_dim", "preprocessing")
    images = ("count", "labels", "problems")
    missing = {name: "not computed" for name in TABLES if name not in run.tables()}
    return {
        "store": workspace.store,
        "run": run.fingerprint,
        "runs": _runs(workspace),
        "other_stores": list(workspace.stores[1:]),
        "network": bounded({name: model.get(name) for name in names}),
        "scores": bounded((model.get("scores") or {}).get("said")),
        "not_available": bounded({name: why for name, why in _why_not(run).items() if why}),
        "images": bounded({name: manifest.images.get(name) for name in images}),
        "further_columns": bounded(dict(manifest.columns)),
        "class_count": len(run.class_names),
        "classes": bounded(run.class_names, MOST_CLASSES),
        "layers": _layers(run),
        "tables": {name: _table(run, name) for name in run.tables()},
        "not_computed": missing,
        "made_with": bounded({"parameters": manifest.parameters, "device": manifest.device}),
        "remarks": [text(each, 1000) for each in manifest.remarks[:MOST_CLASSES]],
        "writes_files": workspace.results is not None,
    }


def table_card(run: Run, name: str) -> dict[str, Any]:
    """Return a table's columns: their types, and what they hold in which unit."""
    schema = run.shards(name)[0]().schema
    about = {each.name: each.metadata or {} for each in TABLES[name]}
    columns = [{"column": text(each.name), "type": str(each.type), **_about(about, each)} for each in schema]
    return {"table": name, "rows": _rows(run, name), "columns": columns}


def _about(about: dict[str, Any], column: pa.Field) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in about.get(column.name, {}).items()}


def _runs(workspace: Workspace) -> list[str]:
    return Store(workspace.store).runs()


def _why_not(run: Run) -> dict[str, str | None]:
    return dict(run.manifest.model.get("capabilities") or {})


def _layers(run: Run) -> list[Any]:
    if "layers" not in run.tables():
        return []
    rows = run.table("layers", LAYER_COLUMNS).to_pylist()
    left = len(rows) - MOST_LAYERS
    further = [f"… {left:,} more in the table layers"] if left > 0 else []
    return [*map(bounded_row, rows[:MOST_LAYERS]), *further]


def _table(run: Run, name: str) -> dict[str, Any]:
    schema = run.shards(name)[0]().schema
    return {"rows": _rows(run, name), "columns": {text(each.name): str(each.type) for each in schema}}


def _rows(run: Run, name: str) -> int:
    manifest = run.manifest
    return sum(manifest.files[file].rows for file in manifest.table_files(name))
