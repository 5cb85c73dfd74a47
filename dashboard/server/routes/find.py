"""What the key "/" finds of a run: pages, names, classes, channels, findings, images that have the words."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compute.analysis.image_search import MOST_WORDS
from dashboard.data import partners
from dashboard.data import runs as data
from dashboard.findings.folder import findings
from dashboard.findings.names import names_of, things
from dashboard.findings.recheck import view_of
from dashboard.server.routes.answering import OpenRun, Payload, endpoint_of
from dashboard.text import one_line
from dashboard.views.definitions import ChannelsView, ImageView, MistakesView
from dashboard.views.navigation import address
from dashboard.views.state import ViewState
from featurestore.reader import Run

MOST = 6
"""Hits of each kind."""

KINDS_OF_NAMES = {
    "channel": "named channel",
    "class": "named class, its images and errors",
    "region": "named region",
}

Hit = tuple[str, str, ViewState]
"""Title, kind, and the view that shows it."""


def find_routes(open_run: OpenRun) -> list[Route]:
    """Return the route; its addresses are made by `dashboard.views.urls.find`."""

    def of_store(store: str):
        return lambda run, text: _answer(store, run, text)

    async def endpoint(request: Request) -> Response:
        return await endpoint_of(open_run, of_store(request.path_params["store"]))(request)

    return [Route("/find/{store}/{fingerprint}/{text:path}", endpoint)]


def hits(store: str, run: Run, text: str) -> Iterator[Hit]:
    """Yield what has all words of a text in its name, at most MOST of each kind; case doesn't count.

    Nothing is called so where there are more words than a search may have.
    """
    words = list(dict.fromkeys(text.split()))
    if len(words) > MOST_WORDS:
        return
    for kind in (_pages, _names, _classes, _channels, _findings, _images):
        yield from islice(kind(store, run, words), MOST)


def _answer(store: str, run: Run, text: str) -> Payload:
    said = [
        {"title": one_line(title), "kind": kind, "address": address(view)}
        for title, kind, view in hits(store, run, text)
    ]
    return Payload(json.dumps(said).encode(), "application/json", kept=False)


def _has(words: list[str], name: str) -> bool:
    folded = name.casefold()
    return bool(words) and all(word.casefold() in folded for word in words)


def _pages(store: str, run: Run, words: list[str]) -> Iterator[Hit]:
    for entry in partners.pages(store, run):
        if _has(words, entry.title):
            yield entry.title, "page", entry.view(store, run.fingerprint)


def _names(store: str, run: Run, words: list[str]) -> Iterator[Hit]:
    for name in names_of(run).all():
        if _has(words, name.text):
            yield name.title, KINDS_OF_NAMES[name.thing.kind], things.view_of(name, store, run)


def _classes(store: str, run: Run, words: list[str]) -> Iterator[Hit]:
    for name in run.class_names:
        if _has(words, name):
            yield name, "class, its images and errors", MistakesView(store, run.fingerprint, label=name)


def _channels(store: str, run: Run, words: list[str]) -> Iterator[Hit]:
    """Yield the layers of that name; with a number, the channel of it: "conv3 12"."""
    called = names_of(run)
    numbers = [word for word in words if re.fullmatch(r"[0-9]{1,9}", word)]
    names = [word for word in words if word not in numbers]
    for layer, count in data.choices(run).layers.items():
        channel = int(numbers[0]) if numbers else 0
        if _has(names, layer) and channel < count:
            title = called.channel_title(layer, channel) if numbers else layer
            kind = "channel" if numbers else "layer"
            yield title, kind, ChannelsView(store, run.fingerprint, layer=layer, channel=channel)


def _findings(store: str, run: Run, words: list[str]) -> Iterator[Hit]:
    for kept in findings().all():
        if kept.finding is not None and _has(words, f"{kept.finding.title} {kept.finding.note}"):
            try:
                view, _ = view_of(kept.finding)
            except ValueError:
                # Its page is gone; the page Findings says so.
                continue
            yield kept.finding.title, "finding", view


def _images(store: str, run: Run, words: list[str]) -> Iterator[Hit]:
    found = np.empty(0, np.int64)
    # A range that is still being typed finds no image.
    with suppress(ValueError):
        found = data.hits(run, " ".join(words))
    for image_id in found[:MOST].tolist():
        row = run.image(image_id)
        view, _ = ImageView.from_query({"store": store, "run": run.fingerprint, "image": str(image_id)})
        yield f"{row['label'] or 'no label'}: {row['path']}", f"image {image_id}", view
