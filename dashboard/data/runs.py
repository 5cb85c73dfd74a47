"""What pages read of runs, cached for all sessions: a run never changes, so neither does what is read of it.

Runs are told apart by their folder, which ends in the fingerprint.
"""

import dataclasses
import logging
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.analysis.image_search import COLUMNS
from compute.analysis.search import ExactSearch
from compute.images import sources
from compute.models import zoo
from compute.models.architectures.hub import without_downloads
from compute.models.model import Model
from compute.reports.drawing.coloring import COLOR_COLUMNS, Coloring, color_columns
from compute.reports.drawing.coloring import coloring as coloring_of
from compute.reports.drawing.further_columns import grouping_columns
from compute.reports.drawing.run_images import read_original
from compute.reports.maps.image_filter import searched
from dashboard.data import first_shown, trusted_code
from dashboard.data.content_store import KeptBytes
from dashboard.settings import Settings, find_stores, stores_called
from dashboard.views.query_text import resolved
from dashboard.views.state import Choices
from featurestore.errors import Unavailable
from featurestore.files import vector_cache
from featurestore.layout import CURRENT, MANIFEST, RUNS, check_fingerprint
from featurestore.places import Place, beside, place, version
from featurestore.reader import Run, Store

log = logging.getLogger(__name__)

Shown = TypeVar("Shown", bytes, np.ndarray)

BY_FOLDER = {Run: lambda run: str(run.folder.resolve())}


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Return what the command line said to the server."""
    return Settings.read()


def stores() -> dict[str, Place]:
    """Return the served stores by name; not cached, so that a store that was made since is found."""
    return find_stores(settings().stores)


def shown_store(asked: str, run: str = "") -> str:
    """Return the name of the store that an address shows which asks for this one, or for none.

    run: fingerprint of the run that it asks for; of several stores of the name asked for, one has it.

    For none, it is the one that was finished first, in the first of the command line's places that has one to
    read: the same for all visitors, whatever is built later. "" for one that is not served.
    """
    listed = stores()
    if asked:
        return _called(resolved(asked, listed), run, listed)
    for each in settings().stores:
        here = set(find_stores([each]).values())
        readable = [name for name, path in listed.items() if path in here and _is_readable(name)]
        if readable:
            return min(readable, key=_first_finished)
    return next(iter(listed), "")


def _called(name: str, run: str, listed: Mapping[str, Place]) -> str:
    """Return the listed name of the store that is meant by a name; "" where none is served."""
    meant = stores_called(name, listed)
    if len(meant) > 1 and run:
        meant = [each for each in meant if _has(listed[each], run)] or meant
    return next(iter(meant), "")


def _has(where: Place, run: str) -> bool:
    try:
        return run in Store(where).runs()
    except ValueError:
        return False


def has_run(where: Place) -> bool:
    """Return whether a store has a finished run, as far as can be seen without asking over a network."""
    return not isinstance(where, Path) or (where / CURRENT).is_file()


def _is_readable(name: str) -> bool:
    try:
        return open_run(name, Store(_folder(name)).current()) is not None
    except ValueError:
        return False


def _first_finished(name: str) -> tuple[bool, str, str]:
    """Return what stores are sorted by: when their oldest run was made, those without a time last."""
    folder = _folder(name)
    times = [time for fingerprint in Store(folder).runs() if (time := _made(folder, fingerprint))]
    return (not times, min(times, default=""), name)


@st.cache_data(max_entries=1024, show_spinner=False)
def _made(store: str, fingerprint: str) -> str:
    try:
        return str(Store(store).open(fingerprint).manifest.notes.get("created", ""))
    except ValueError:
        return ""


def run_at(store: str, fingerprint: str) -> Run:
    """Open a run of the store at a path or address; anew once its images or its network were moved."""
    named = store, fingerprint
    # What can't be asked is as it was last.
    with suppress(OSError, Unavailable):
        _versions[named] = version(place(store) / RUNS / check_fingerprint(fingerprint) / MANIFEST)
    return _run_at(*named, _versions.get(named, ""))


_versions: dict[tuple[str, str], str] = {}
"""Of the manifests of the runs that were opened, by store and fingerprint."""


@st.cache_resource(max_entries=32, show_spinner=False)
def _run_at(store: str, fingerprint: str, version: str) -> Run:
    """version: of its manifest, which is a part of the cache's key."""
    return Store(store).open(fingerprint)


def open_run(name: str, fingerprint: str) -> Run:
    """Open a run of the store of this listed name; ValueError for what is not there."""
    return run_at(_folder(name, fingerprint), fingerprint)


@st.cache_resource(max_entries=128, hash_funcs=BY_FOLDER, show_spinner=False)
def table(run: Run, name: str, columns: tuple[str, ...] | None = None) -> pa.Table:
    """Return a table of the run, or some of its columns."""
    return run.table(name, columns)


@st.cache_resource(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def choices(run: Run) -> Choices:
    """Return what the run has to choose from."""
    return read_choices(run)


@st.cache_resource(max_entries=2, hash_funcs=BY_FOLDER, show_spinner=False)
def features(run: Run) -> np.ndarray:
    """Return the features (N, D) float32, read-only, mapped from the store's cache on disk."""
    return vector_cache.features(run)


@st.cache_resource(max_entries=2, hash_funcs=BY_FOLDER, show_spinner=False)
def feature_search(run: Run) -> ExactSearch:
    """Return the features ready for a search by cosine distance."""
    return ExactSearch(features(run), "cosine")


@st.cache_resource(max_entries=32, hash_funcs=BY_FOLDER, show_spinner=False)
def unreadable(run: Run) -> frozenset[int]:
    """Return the image_ids of the images that could not be read, or of which the network gave no numbers."""
    if "problems" not in run.tables():
        predicted = table(run, "images", ("image_id", "predicted"))
        return frozenset(predicted.filter(pc.is_null(predicted["predicted"]))["image_id"].to_pylist())
    return frozenset(table(run, "problems", ("image_id",))["image_id"].to_pylist())


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def coloring(run: Run, column: str) -> Coloring:
    """Return what a map of the run is colored by."""
    return coloring_of(run, column)


def hits(run: Run, text: str) -> np.ndarray:
    """Return the image_ids (n,) that a search finds, sorted; ValueError for a malformed one."""
    return kept(run, ("hits", text), lambda: searched(run, text, table(run, "images", COLUMNS)))


@st.cache_resource(max_entries=2, hash_funcs=BY_FOLDER, show_spinner="Loading the network …")
def model(run: Run) -> Model:
    """Return the network that made the run; ValueError where it may not be used, or can't be loaded."""
    return load_model(run, settings())


def refusal(run: Run) -> str | None:
    """Return why the run's network can't be used here and what to do about it; None where it can."""
    try:
        model(run)
    except ValueError as error:
        return str(error)
    return None


@st.cache_resource(max_entries=8, show_spinner=False)
def source(spec: str) -> sources.ImageSource:
    """Open a source of images, such as a folder; ValueError where it can't be opened.

    A store may be somebody else's, so what it names is read within what the command line allows, and what
    stands there is not said.
    """
    try:
        opened = sources.open_source(spec, sources.Reach(settings().originals, network=False))
        opened.prepare()
    except sources.NotAllowed:
        raise
    except (ValueError, OSError) as error:
        log.warning("the images %r can't be opened: %s", spec, error)
        raise ValueError(
            f"the images of this run can't be read from {spec} (the server's log says why)"
        ) from error
    return opened


def original(run: Run, image_id: int) -> bytes:
    """Return the bytes of an image's own file; ValueError where it is gone or has changed."""
    named = str(run.folder.resolve()), image_id
    content = _originals().get(named)
    if content is None:
        content = read_original(run, image_id, source(run.manifest.images["spec"]))
        _originals().put(named, content)
    return content


def kept(run: Run, what: Hashable, make: Callable[[], Shown]) -> Shown:
    """Return what a page shows of a run: as it was made before, or made anew where there was no room for it.

    what: tells it from all else of the run.
    """
    named = str(run.folder.resolve()), what
    found = _shown().get(named)
    if found is None:
        found = make()
        _shown().put(named, found)
    return found


@st.cache_resource(show_spinner=False)
def _shown() -> KeptBytes[Any]:
    def size(each: bytes | np.ndarray) -> int:
        return each.nbytes if isinstance(each, np.ndarray) else len(each)

    return KeptBytes(settings().share("pages"), size)


@st.cache_resource(show_spinner=False)
def _originals() -> KeptBytes[bytes]:
    return KeptBytes(settings().share("originals"))


def run_names(store: str) -> list[str]:
    """Return the fingerprints of all runs of a store; not cached, as a store can be made anew."""
    return Store(_folder(store)).runs()


def spoken(run: Run) -> str:
    """Return what a store's run is called: "run of 2026-11-24 01:30", or its number if that isn't known."""
    return f"run of {made}" if (made := when_made(run)) else f"run {run.fingerprint}"


def when_made(run: Run) -> str:
    """Return when a run was made, such as "2026-11-24 01:30", UTC; "" where that isn't known."""
    return str(run.manifest.notes.get("created", ""))[:16].replace("T", " ")


def folder_beside(store: str) -> Path:
    """Return the folder of this machine for what is kept beside the store of this listed name."""
    return beside(place(_folder(store)))


def _folder(name: str, run: str = "") -> str:
    """Return a store's path, or its address in object storage; ValueError for one that is not served.

    run: as in `shown_store`
    """
    listed = stores()
    if not (found := _called(name, run, listed)):
        raise ValueError(f"unknown store {name!r}; there are {', '.join(listed) or 'none'}")
    return str(listed[found])


def read_choices(run: Run) -> Choices:
    """Read what a run has to choose from; a table that was not computed offers nothing."""
    tables = run.tables()
    layers = run.table("layers", ["layer", "channels"]).to_pydict() if "layers" in tables else {}
    maps = _truest_first(run) if "maps" in tables else []
    kinds = (
        run.table("grids", ["method", "kind"]).group_by(["method", "kind"]).aggregate([]).to_pylist()
        if "grids" in tables
        else []
    )
    return Choices(
        images=run.image_count,
        layers=dict(zip(layers.get("layer", ()), layers.get("channels", ()), strict=True)),
        classes=run.class_names,
        maps=tuple(maps),
        grids={name: tuple(each["kind"] for each in kinds if each["method"] == name) for name in maps},
        occlusion="occlusion" in tables,
        columns=grouping_columns(run) if "columns" in tables else (),
        colors=color_columns(run) if "columns" in tables else COLOR_COLUMNS,
        first_image=first_shown.first_image(run),
        first_channel=first_shown.first_channel(run),
        first_whole_layer=first_shown.first_whole_layer(run),
    )


def _truest_first(run: Run) -> list[str]:
    """Return the methods by which there are maps, that of the highest trustworthiness first."""
    rows = run.table("maps", ["method", "trustworthiness"]).to_pylist()
    return [row["method"] for row in sorted(rows, key=lambda row: -(row["trustworthiness"] or 0))]


def own_code(run: Run) -> trusted_code.Code | None:
    """Return the code of the operator's own that the run's network is made by; None for a library's.

    None too where this server doesn't trust that code.
    """
    with suppress(ValueError):
        spec = zoo.ModelSpec.from_dict(run.manifest.model["spec"])
        return trusted_code.trusted(spec.model, settings()) if spec.runs_user_code else None
    return None


def load_model(run: Run, known: Settings) -> Model:
    """Load the network that made the run.

    ValueError, saying what to do about it, where live methods are off, where the network is code of the
    user's own that the command line did not name or that has changed, where its weights or class names have
    changed, and where something would have to be downloaded.
    """
    if not known.live:
        raise ValueError("live methods are turned off on this server (--no-live); kept results still open")
    spec = zoo.ModelSpec.from_dict(run.manifest.model["spec"])
    code = trusted_code.trusted(spec.model, known) if spec.runs_user_code else None
    if code is not None:
        log.warning("live methods run %s, SHA-256 %s", *code)
        spec = dataclasses.replace(spec, model=code.model)
    with without_downloads():
        loaded = zoo.load(
            spec,
            zoo.resolve_device(known.device),
            class_names=list(run.class_names),
            code=code and code.sha256,
        )
    if loaded.weights_hash != run.manifest.model["weights_hash"]:
        raise ValueError(
            f"the weights of {loaded.name} are not those that made this run (they have changed since); "
            "regenerate the store with `make store` to use live methods"
        )
    # The store names their file: without this it could have any file's lines shown as classes.
    if loaded.classes != run.class_names:
        raise ValueError(
            f"the class names of {loaded.name} are not those of this run (their file has changed since); "
            "regenerate the store with `make store` to use live methods"
        )
    return loaded
