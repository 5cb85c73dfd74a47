"""What a start may import: whatever else it did would be waited for by everybody, each time."""

import os

import numpy as np
import pytest
from PIL import Image

from compute.__main__ import main
from dashboard.settings import Settings
from tests.support import ROOT
from tests.support.importers import imported
from tests.support.page_app import SHELL
from tests.support.stores.full import write_full_store

PICTURE = str(ROOT / "docs" / "gallery" / "occlusion.png")
OURS = {"compute", "featurestore", "dashboard"}
IMAGES = {"numpy", "PIL"}
TABLES = {"numpy", "pyarrow", "cloudpickle", "tomli_w"}
"""cloudpickle is pyarrow's."""
NETWORKS = {"torch", "torchgen", "typing_extensions", "tqdm", "safetensors", "cv2"}
"""torchgen, typing_extensions and tqdm are torch's; OpenCV is quick to import."""
PICTURES = {
    "matplotlib",
    "packaging",
    "pyparsing",
    "cycler",
    "dateutil",
    "six",
    "kiwisolver",
    "skimage",
    "lazy_loader",
}
"""matplotlib's color maps, without its figures, and scikit-image's photographs without its algorithms."""
PAGES = {
    "streamlit", "google", "click", "plotly", "_plotly_utils", "narwhals", "starlette", "anyio", "tornado",
    "python_multipart", "tomli_w", "toml", "cachetools", "tenacity", "git", "gitdb", "smmap", "blinker",
    "uvicorn", "h11", "httptools", "websockets", "itsdangerous", "multipart", "sniffio", "idna",
}  # fmt: skip
"""Streamlit with its charts and its server."""

ARRAYS_OF_LISTS = {"pandas", "pytz", "dateutil", "six"}
"""pyarrow imports pandas, where there is one, as soon as it makes an array of a list."""

COMPUTE = "from compute.__main__ import main\nmain(sys.argv[1:])"
FEATURESTORE = "from featurestore.__main__ import main\nmain(sys.argv[1:])"
SERVER = """
import asyncio
from dashboard.server import app, preload

async def start():
    async with preload.preloaded(app.app):
        pass

asyncio.run(start())
"""
FIRST_PAGE = f"""{SERVER}
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({SHELL!r}, default_timeout=60).run()
assert not app.exception and not app.error, (app.exception, app.error)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("starts") / "full"
    write_full_store(path)
    return path


@pytest.fixture(scope="module")
def store_of_pictures(tmp_path_factory):
    """Of pictures in a folder, so that no package has to be asked for them."""
    folder, path = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("starts") / "pictures"
    for number in range(6):
        values = np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")
    stages = ("--stages", "activations,embeddings,grid")
    assert main(["store", "--model", "demo", "--images", str(folder), "--store", str(path), *stages]) == 0
    return path


def further(found: dict[str, str], *allowed: set[str]) -> dict[str, str]:
    """What was imported beyond what is allowed, with who imported it."""
    known = set().union(OURS, *allowed)
    return {package: chain for package, chain in found.items() if package not in known and package[0] != "_"}


@pytest.mark.parametrize("arguments", [("--help",), ("saliency", "--help"), ("salency",), ("map",), ()])
def test_help_and_wrong_options_need_no_package(arguments):
    assert further(imported(COMPUTE, *arguments)) == {}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("saliency", "--model", "demos", "--image", PICTURE), IMAGES),
        (("saliency", "--model", "demo", "--image", PICTURE, "--mean", "120"), IMAGES),
        (("store", "--store", "new", "--images", "nowhere"), IMAGES),
        (("ascend", "--store", "{store}", "--layer", "conv9"), IMAGES | TABLES),
    ],
)
def test_what_is_wrong_with_a_command_needs_no_torch(store, arguments, allowed):
    assert further(imported(COMPUTE, *(each.format(store=store) for each in arguments)), allowed) == {}


@pytest.mark.slow
def test_a_method_imports_what_it_needs(tmp_path):
    out = tmp_path / "x.png"
    found = imported(COMPUTE, "saliency", "--model", "demo", "--image", PICTURE, "--out", str(out))
    assert further(found, IMAGES, TABLES, NETWORKS, PICTURES) == {}
    assert out.stat().st_size > 0


@pytest.mark.parametrize("arguments", [("--help",), ("info", "{store}"), ("info", "nowhere")])
def test_a_look_into_a_store_needs_tables_alone(store, arguments):
    assert further(imported(FEATURESTORE, *(each.format(store=store) for each in arguments)), TABLES) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("start", "more"), [(SERVER, set()), (FIRST_PAGE, ARRAYS_OF_LISTS)])
def test_the_dashboard_imports_no_other_programs(store_of_pictures, tmp_path, start, more):
    environment = dict(os.environ)
    Settings((str(store_of_pictures),), "cpu", results_mb=0, findings=str(tmp_path)).write(environment)
    found = imported(start, environment=environment)
    assert further(found, IMAGES, TABLES, NETWORKS, PICTURES, PAGES, more) == {}


def test_who_imported_it_is_said():
    found = imported("import json\nfrom compute.images import decoding")
    assert found["numpy"].startswith("compute.images.decoding, imported by __main__")
