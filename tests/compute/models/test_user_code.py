"""A user's model file runs because a command line named it, and for no other reason."""

import argparse
import dataclasses
import json
import pickle
from types import SimpleNamespace

import pytest
from PIL import Image

from compute.cli import inputs
from compute.images.encoding import MAX_THUMBNAIL_PIXELS, encoded, opened
from compute.models.architectures.hugging_face import check_attention
from compute.models.zoo import ModelSpec
from dashboard.data import runs
from dashboard.data.uploads import Uploads
from dashboard.findings.recheck import view_of
from dashboard.findings.record import Finding
from dashboard.settings import Settings
from dashboard.sharing.short_links import ShortLinks, name_of
from dashboard.views.navigation import PAGES
from featurestore.reader import Store
from tests.fuzz.texts import FINDING
from tests.support.stores.small import write_store


@pytest.fixture
def harmful(tmp_path):
    """A model file that leaves a trace once it runs."""
    file = tmp_path / "nets.py"
    file.write_text(f"import os\nos.mkdir({str(tmp_path / 'harmed')!r})\ndef net():\n    pass\n")
    yield file
    assert not (tmp_path / "harmed").exists()


@pytest.fixture
def run(tmp_path, harmful):
    """Of a store whose manifest names that file."""
    opened = write_store(tmp_path / "store").open()
    spec = {"model": f"{harmful}:net", "size": 8}
    manifest = dataclasses.replace(opened.manifest, model={"spec": spec, "weights_hash": "0"})
    (opened.folder / "manifest.json").write_bytes(manifest.to_bytes())
    return Store(tmp_path / "store").open()


def test_a_store_can_not(run):
    with pytest.raises(ValueError, match="code of your own"):
        runs.load_model(run, Settings(device="cpu"))


@pytest.mark.parametrize(
    "spelling", ["{file}:net", "{file}", "file://{file}:net", "./{file}:net", "demo:{file}:net"]
)
def test_a_store_can_not_by_another_spelling(run, harmful, spelling):
    model = {"spec": {"model": spelling.format(file=harmful)}, "weights_hash": "0"}
    (run.folder / "manifest.json").write_bytes(dataclasses.replace(run.manifest, model=model).to_bytes())
    with pytest.raises(ValueError):
        runs.load_model(Store(run.folder.parents[1]).open(), Settings(device="cpu"))


def test_a_store_can_not_on_the_command_line_either(run, tmp_path):
    asked = argparse.Namespace(store=str(tmp_path / "store"), fingerprint=None, model=None, device="cpu")
    with pytest.raises(ValueError, match="to run it, name it: --model"):
        inputs.open_target(asked)


def test_a_trusted_file_is_that_file_alone(run, tmp_path):
    other = tmp_path / "other" / "nets.py"
    other.parent.mkdir()
    other.write_text("def net():\n    pass\n")
    for named in (f"{other}:net", f"{other}/../../nets.py:other"):
        with pytest.raises(ValueError, match="live methods would run"):
            runs.load_model(run, Settings(device="cpu", trusted=(named,)))


def test_a_folder_of_transformers_can_not():
    """It may name an implementation of attention that transformers would fetch from the hub and import."""
    for named in (None, "eager", "sdpa"):
        check_attention("hf:folder", SimpleNamespace(_attn_implementation=named))
    for named in ("somebody/kernels", "paged|somebody/kernels@main:flash", "flash_attention_2", {"": "a/b"}):
        with pytest.raises(ValueError, match="from the hub"):
            check_attention("hf:folder", SimpleNamespace(_attn_implementation=named))


def test_a_picture_in_a_store_can_not():
    """Pillow has another program draw PostScript."""
    with pytest.raises(OSError):
        opened(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")
    assert opened(encoded(Image.new("RGB", (3, 2)))).size == (3, 2)


def test_a_picture_in_a_store_is_as_large_as_such_pictures_are(monkeypatch):
    picture = encoded(Image.new("1", (600, 500)))
    assert opened(picture).size == (600, 500)
    with pytest.raises(ValueError, match="a picture of 600 x 500 pixels, where at most 262,144 are expected"):
        opened(picture, MAX_THUMBNAIL_PIXELS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="exceeds limit"):
        opened(picture)


@pytest.mark.parametrize("page", PAGES)
def test_a_link_can_not(page, harmful):
    """No field of a view is a model or a file's name; one that says so in every field stays text."""
    named = f"{harmful}:net"
    cls = PAGES[page].view
    fields = {each.name for each in dataclasses.fields(cls)} - {"parameters"}
    view = cls.from_query(dict.fromkeys(fields, named) | {"model": named, "checkpoint": named})[0]
    assert "model" not in view.to_query() and "checkpoint" not in view.to_query()
    assert not {"model", "checkpoint", "spec", "file", "path"} & fields


def test_a_short_link_can_not(tmp_path, harmful):
    links = ShortLinks(tmp_path)
    (tmp_path / "links").mkdir()
    said = {"page": str(harmful), "query": {"model": f"{harmful}:net"}, "model": f"{harmful}:net"}
    content = json.dumps(said).encode()
    (tmp_path / "links" / f"{name_of(content)}.json").write_bytes(content)
    assert links.find(name_of(content)) is None


def test_an_upload_can_not(harmful):
    for content in (harmful.read_bytes(), pickle.dumps(ModelSpec(f"{harmful}:net"))):
        with pytest.raises(ValueError, match="not an image"):
            Uploads(10**6).add(content)


def test_a_finding_can_not(harmful, tmp_path):
    named = f"{harmful}:net"
    said = dataclasses.replace(
        FINDING,
        query={"model": named, "map": named},
        model={"name": named, "spec": named},
        page="nets.py:net",
    )
    found = Finding.from_toml(said.to_toml())
    with pytest.raises(ValueError, match="there is no page"):
        view_of(found)
