"""What a store's objects show in a notebook: all that is there, and nothing that runs."""

import json
import pickle
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from featurestore.notebook import html
from featurestore.reader import Run, Store
from featurestore.schemas import TABLES
from featurestore.writing.run_writer import RunWriter
from tests.support.pictures import encoded
from tests.support.stores.small import CLASSES, COUNT, write_store

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' \u202egnp.exe \udcff\x1b[2J &amp;"
)
MOST = 400_000
"""Characters of a card."""


@pytest.fixture
def run(tmp_path) -> Run:
    return write_store(tmp_path / "store").open()


def written(path, picture: bytes | None, name: str = "fine") -> Run:
    """A run of two images and one channel, in which every text is `name`."""
    clean = name.encode("utf-8", "replace").decode()
    writer = RunWriter(path, "written")
    image = {
        "path": clean, "sha256": "0" * 64, "label": clean, "split": clean, "width": 20, "height": 12,
        "thumbnail": {"bytes": picture, "path": None}, "predicted": clean, "probability": 0.5,
        "top5": [{"class": clean, "probability": 0.5}], "loss": 1.0, "correct": False,
    }  # fmt: skip
    rows = [{"image_id": each, **image} for each in range(2)]
    writer.write_shard("images", 0, pa.Table.from_pylist(rows, TABLES["images"]))
    box = {"left": -5.0, "top": 2.0, "right": 5.0, "bottom": 14.0}
    patch = {"layer": clean, "channel": 0, "rank": 0, "image_id": 1, "value": 2.0, "y": 0, "x": 0, **box}
    writer.write_shard("top_patches", 0, pa.Table.from_pylist([patch], TABLES["top_patches"]))
    said = {"model": {"name": clean}, "images": {"spec": clean}, "parameters": {}, "versions": {}}
    writer.commit(
        {**said, "notes": {"created": clean}, "device": "cpu", "dtype": "float32", "threads": 1,
         "class_names": (clean,)}
    )  # fmt: skip
    return Store(path).open()


def cards(run: Run) -> dict[str, str]:
    """What each kind of object shows."""
    layer = run.table("top_patches", ["layer"])["layer"][0].as_py() if "top_patches" in run.tables() else None
    shown = [Store(run.folder.parent.parent), run, run.image(0), run.images()]
    shown += [] if layer is None else [run.channel(layer, 0)]
    return {type(each).__name__: each._repr_html_() for each in shown}


def test_a_run_says_what_it_is(run):
    card = run._repr_html_()
    assert f"{COUNT} images" in card and run.fingerprint in card and "embeddings 36" in card
    assert all(name in card for name in CLASSES) and "not computed" in card and "occlusion" in card
    assert card.count("<img") == 8 and "not shown" not in card
    assert run.fingerprint in repr(run)


def test_a_store_lists_its_runs(run):
    store = Store(run.folder.parent.parent)
    assert run.fingerprint in store._repr_html_() and "1 run" in store._repr_html_()


def test_an_image_says_whether_it_is_right(run):
    right, wrong = (next(each for each in run.images() if each["correct"] is said) for said in (True, False))
    assert "✓ right" in right._repr_html_() and "✗ wrong" in wrong._repr_html_()
    assert wrong["path"] in wrong._repr_html_() and "<img" in wrong._repr_html_()


def test_an_image_is_the_mapping_it_was(run):
    image = run.image(3)
    row = run.rows("images", [3]).drop_columns(["thumbnail"]).to_pylist()[0]
    assert image == row and isinstance(image, dict) and json.loads(json.dumps(image)) == row
    again = pickle.loads(pickle.dumps(image))
    assert type(again) is dict and again == row
    assert image.thumbnail == run.thumbnail(3)


def test_images_are_a_sequence_with_a_wall(run):
    images = run.images()
    assert len(images) == COUNT and images[-1]["image_id"] == COUNT - 1
    assert [each["image_id"] for each in images[2:5]] == [2, 3, 4]
    assert run.images([5, 1]).table(["path"])["path"].to_pylist() == [run.image(i)["path"] for i in (5, 1)]
    assert images._repr_html_().count("<img") == 24 and "and 12 more" in images._repr_html_()
    assert "0 images" in run.images([])._repr_html_()
    with pytest.raises(ValueError, match="images are 0 to 35"):
        run.images([36])


def test_a_channel_shows_its_patches_where_they_lie(tmp_path):
    card = written(tmp_path, encoded(np.zeros((12, 20, 3), np.uint8))).channel("fine", 0)._repr_html_()
    # A box of 10 x 12 pixels, 5 of them beyond the left border, as 80 x 96: eight times as large.
    assert "left:40.0px;top:-16.0px;width:160.0px;height:96.0px" in card
    assert "left:-25.0%;top:16.7%;width:50.0%;height:100.0%" in card
    with pytest.raises(ValueError, match="unknown channel 7 of fine"):
        Store(tmp_path).open().channel("fine", 7)


@pytest.mark.parametrize("name", [HOSTILE, "x" * 100_000], ids=["markup", "long"])
def test_what_a_store_says_is_text_alone(tmp_path, name):
    run = written(tmp_path, encoded(np.zeros((12, 20, 3), np.uint8)), name)
    for kind, card in cards(run).items():
        outside = re.sub(
            r'<img alt="[^"<>]*" src="data:image/png;base64,[\w+/=]+" style="[^"<>]*">', "", card
        )
        tags = set(re.findall(r"<\s*/?\s*([a-z0-9]+)", outside))
        known = {"bdi", "br", "details", "div", "summary", "table", "td", "th", "tr"}
        assert tags <= known and not re.search(r"<[^>]*\son\w+=", outside), kind
        assert not html.NOT_SHOWN.search(card) and len(card.encode()) < MOST, kind
        assert "not shown" not in card, kind


@pytest.mark.parametrize(
    "picture", [None, b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"x" * 10**6]
)
def test_what_can_t_be_drawn_is_said_in_its_place(tmp_path, picture):
    for kind, card in cards(written(tmp_path, picture)).items():
        assert "<svg" not in card and len(card) < MOST, kind
        if kind in ("StoredImage", "StoredImages", "Run"):
            assert "<img" not in card and re.search("not shown|not readable|no room|neither", card), kind


def test_damage_is_said_and_never_raised(run):
    (file,) = run.folder.glob("images-*.parquet")
    content = bytearray(file.read_bytes())
    for at in range(len(content) // 4, len(content) // 4 + 4000):
        content[at] ^= 0xFF
    file.chmod(0o644)
    file.write_bytes(content)
    damaged = Store(run.folder.parent.parent).open()
    assert "not shown" in damaged._repr_html_() and "not shown" in damaged.images()._repr_html_()
    assert run.fingerprint in damaged._repr_html_()


def test_cards_keep_to_the_theme_and_load_nothing(tmp_path):
    for card in cards(written(tmp_path, encoded(np.zeros((12, 20, 3), np.uint8)))).values():
        assert not re.search(r"(?<![-\w])color:", card) and "http" not in card and "url(" not in card


def test_a_large_manifest_is_not_read_for_the_list(run, monkeypatch):
    monkeypatch.setattr("featurestore.notebook.cards.LARGE", 10)
    assert "open it to see" in Store(run.folder.parent.parent)._repr_html_()


def test_columns_of_the_list_are_shown(run):
    run.manifest = replace(run.manifest, images={"columns": {"size": {"kind": "text", "values": 1}}})
    assert run.image(0)._repr_html_().count("<img") == 1  # the run has no table of them
