"""What the visitors ask for, and what the method gives that is computed by itself on the command line."""

import contextlib
import io
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
from PIL import Image

from compute.__main__ import main
from compute.images.pictures import upscaled
from dashboard.jobs.request import request
from dashboard.views.definitions import LabView
from dashboard.widgets.live.result import SHORTER_SIDE
from featurestore.reader import Run

METHODS = (
    {"method": "saliency", "p.variant": "smoothgrad", "p.samples": 40},
    {"method": "fool"},
    {"method": "ascend", "p.iterations": 40},
    {"method": "invert", "p.iterations": 40},
    {"method": "segment"},
    {"method": "dream", "p.iterations": 4},
    {"method": "occlusion", "p.patch": 8, "p.stride": 4},
    {"method": "guided"},
)
PAGES = (
    ("Map", "/map"),
    ("Neighbours", "/neighbors"),
    ("Channels", "/channels"),
    ("Image", "/image"),
    ("Mistakes", "/mistakes"),
    ("Overview", "/"),
    ("Results", "/results"),
    ("About", "/about"),
    ("Findings", "/findings"),
    ("Compare", "/compare"),
)
"""Name in the navigation and end of the path."""
ROUND = 1000
"""Between the seeds of two visitors; there are never as many rounds."""


def address(run: Run, store: str, visitor: int, turn: int) -> str:
    """Of a live result that nobody else asks for: a seed, an image and a class of the visitor's own."""
    seed = ROUND * visitor + turn
    chosen = METHODS[(visitor + turn) % len(METHODS)]
    target = run.class_names[seed % len(run.class_names)]
    asked = {"store": store, "image": seed % run.image_count, "target": target} | chosen | {"live": 1}
    if chosen["method"] not in ("occlusion", "guided"):
        asked["p.seed"] = seed
    if chosen["method"] in ("guided", "invert", "dream"):
        layers = run.table("layers", ["layer", "channels"]).to_pylist()
        layer = layers[seed % len(layers)]
        asked |= {"layer": layer["layer"], "channel": seed // 2 % layer["channels"]}
    return f"/lab?{urlencode(asked)}"


def pages(visitor: int, turn: int) -> Iterator[tuple[str, str]]:
    """(name in the navigation, end of the path) of the pages that are walked between two jobs."""
    for step in range(3):
        yield PAGES[(3 * turn + visitor + step) % len(PAGES)]


def shown_picture(png: bytes) -> np.ndarray:
    """(H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def computed_picture(run: Run, store: Path, url: str) -> np.ndarray:
    """The result's picture as the page draws it, of the command line alone: no server, no queue, no cache."""
    view = LabView.from_query(dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)))[0]
    row = run.image(view.image) if view.image >= 0 else None
    image = row and (row["sha256"], row["path"])
    wanted = request(view, run.manifest.model["weights_hash"], image, None)
    with tempfile.TemporaryDirectory() as folder:
        out, words = Path(folder) / "result.png", shlex.split(wanted.command(str(store)))[3:-1]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            status = main([*words, str(out)])
        if status != 0:
            raise ValueError(f"the command line does not make {url}: {said.getvalue()}")
        return upscaled(shown_picture(out.read_bytes()), SHORTER_SIDE)
