"""What a page downloads is, byte for byte, what its command line writes; pandas reads the tables."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from PIL import Image

from compute.__main__ import main
from compute.images.pictures import picture
from compute.pipeline.fixed_threads import fixed_threads
from compute.reports.drawing.formats import CSV, PARQUET, PNG
from compute.reports.drawing.report import Report, array_table
from dashboard.data import runs, selections
from dashboard.jobs.lookup import requested
from dashboard.jobs.method_task import work_of
from dashboard.sharing.downloads import downloads_of, main_download
from dashboard.views.definitions import (
    AboutView,
    ChannelsView,
    ImageView,
    LabView,
    MapView,
    MistakesView,
    NeighborsView,
    OverviewView,
)
from dashboard.views.state import read_parameters
from featurestore.reader import Store
from tests.support.downloads import by_command
from tests.support.stores.full import write_full_store
from tests.support.stores.served import IMAGES, served_store
from tests.support.stores.shown import add_showcase

pytestmark = pytest.mark.slow

STORED = {
    "overview": OverviewView(scaling="all"),
    "map": MapView(map="pca", color="loss"),
    "map of classes": MapView(map="tsne", color="label"),
    "map with thumbnails": MapView(map="tsne", color="label", pictures="always"),
    "map of a search": MapView(map="tsne", pictures="always", clusters=True, search="probability:0.5..<0.9 "),
    "map of a search that finds nothing": MapView(
        map="pca", color="loss", search='"no such"', pictures="always"
    ),
    "grid of a search": MapView(map="umap", show="grid", seams=True, search="label:=3 label:=5"),
    "clusters": MapView(map="tsne", color="label", clusters=True),
    "grid": MapView(map="umap", show="grid", kind="unique", seams=True),
    "neighbors": NeighborsView(image=5, count=7),
    "atlas": ChannelsView(show="atlas", opened="conv2", sort="selectivity", only="live", most=0.9),
    "atlas by a picture": ChannelsView(show="atlas", picture=True, image=5, box="0.25,0.125,0.75,0.5"),
    "channels": ChannelsView(layer="conv2", channel=3),
    "guided": ChannelsView(layer="conv2", channel=3, guided=True),
    "image": ImageView(image=4, tab="occlusion"),
    "classes over the image": ImageView(image=4, tab="occlusion", value="argmax", overlay=False),
    "image's neighbours": ImageView(image=4, tab="neighbors"),
    "strongest channels": ImageView(image=4, tab="channels"),
    "strongest channels of a layer": ImageView(image=4, tab="channels", layer="conv2"),
    "mistakes": MistakesView(label="3", predicted="3"),
    "outvoted": MistakesView(tab="neighbors", k=20),
    "classes": MistakesView(tab="classes"),
}
LIVE = {
    "saliency": {"image": "5", "target": "8"},
    "fool": {"image": "5", "target": "3"},
    "ascend": {"target": "2"},
    "ascend among images of a class": {"target": "2", "p.natural": "5"},
    "ascend among images of a channel": {"layer": "conv2", "channel": "3", "p.natural": "5"},
}


@pytest.fixture(autouse=True)
def served(store, serve):
    serve(store)


def pinned(view, run):
    return dataclasses.replace(view, store="digits", run=run.fingerprint)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
def test_the_command_line_writes_the_same_bytes(name, run, tmp_path):
    downloads = downloads_of(pinned(STORED[name], run), run, served_store())
    assert downloads
    for download in downloads:
        for suffix in download.formats:
            assert download.file(suffix) == by_command(download, suffix, tmp_path), (download.name, suffix)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVE)
def test_a_live_result_is_the_command_lines(name, run, tmp_path):
    view, _ = LabView.from_query({"method": name.split()[0], **LIVE[name]})
    view, _ = pinned(view, run).fitted(runs.choices(run))
    result = computed(view, run)
    downloads = downloads_of(view, run, served_store(), result)
    for download in downloads:
        for suffix in download.formats:
            assert download.file(suffix) == by_command(download, suffix, tmp_path), (download.name, suffix)
    with Image.open(io.BytesIO(downloads[0].picture)) as opened:
        assert np.array_equal(np.asarray(opened), picture(result))
        recipe = json.loads(opened.text["featurescope"])
    assert recipe["parameters"] == dict(view.parameters) and recipe["run"] == run.fingerprint
    assert recipe["weights_hash"] == run.manifest.model["weights_hash"]


def test_a_picture_that_the_store_keeps_is_the_live_one_and_the_command_lines(copied, serve, tmp_path):
    run = add_showcase(copied, range(3, 4))
    serve(copied)
    view = pinned(ChannelsView(layer="conv3", channel=3), run)
    kept = downloads_of(view, run, copied)[-1]
    with fixed_threads(run.manifest.threads):
        assert kept.picture == by_command(kept, PNG, tmp_path)
        live = view.in_the_lab(live=True)
        result = computed(live, run)
    made_live = main_download(live, run, copied, result)
    assert kept.picture == made_live.picture and kept.command == made_live.command
    assert kept.report.recipe == made_live.report.recipe
    assert kept.numbers.items() <= made_live.numbers.items() and kept.formats == (PNG,)
    assert len(downloads_of(dataclasses.replace(view, channel=4), run, copied)) == 2


def computed(view, run):
    *_, result = work_of(requested(view, run), view, run)()
    return result


def test_the_curves_of_a_saliency_map_are_a_table(run):
    parameters = read_parameters("saliency", {"curves": "1", "curve_steps": "4"})[0]
    view = pinned(LabView(method="saliency", parameters=parameters, image=5), run)
    result = computed(view, run)
    curves = {each.name: each for each in downloads_of(view, run, served_store(), result)}["saliency-curves"]
    read = pd.read_csv(io.BytesIO(curves.file(CSV)))
    assert np.allclose(read["deletion_curve"], result.numbers["deletion_curve"])
    assert list(read["share"]) == pytest.approx(list(result.numbers["curve_shares"]))


@pytest.mark.parametrize("name", STORED)
def test_tables_are_read_by_pandas_and_agree(name, run):
    for download in downloads_of(pinned(STORED[name], run), run, served_store()):
        csv = pd.read_csv(io.BytesIO(download.file(CSV)), keep_default_na=True)
        parquet = pd.read_parquet(io.BytesIO(download.file(PARQUET)))
        assert list(csv.columns) == list(parquet.columns) == download.table.column_names
        assert len(csv) == len(parquet) == download.table.num_rows
        for column in parquet.select_dtypes("float32"):
            ours, theirs = csv[column].to_numpy(np.float32), parquet[column].to_numpy()
            assert np.array_equal(ours, theirs, equal_nan=True), column


def test_numbers_are_those_of_the_store(run):
    numbers = main_download(pinned(STORED["mistakes"], run), run, served_store()).numbers
    images = run.table("images", ["correct"])["correct"].to_pylist()
    assert numbers["images"] == IMAGES and numbers["right"] == sum(images)
    table = main_download(pinned(STORED["image"], run), run, served_store()).table
    assert np.array_equal(table["logit"].to_numpy(), run.occlusion(4)["logit"].ravel())
    table = main_download(pinned(STORED["neighbors"], run), run, served_store()).table
    assert table["image_id"].to_pylist()[:7] == run.neighbors("feature", 5)["neighbor_id"].to_pylist()[:7]
    table = main_download(pinned(STORED["map"], run), run, served_store()).table
    assert table["x"].to_pylist() == run.embedding("pca")["x"].to_pylist()


def test_a_selection_is_downloaded_without_a_command(run, monkeypatch):
    monkeypatch.setattr(selections, "read", lambda *_: np.array([1, 3, 8]))
    name = "a" * 64
    view = pinned(MapView(map="pca", selection=name), run)
    chosen = downloads_of(view, run, served_store())[1]
    assert chosen.command is None and chosen.table["image_id"].to_pylist() == [1, 3, 8]
    matrix = main_download(pinned(MistakesView(selection=name), run), run, served_store())
    assert matrix.command is None and matrix.numbers["images"] == 3


def test_what_has_no_picture_offers_none(run, tmp_path):
    assert downloads_of(pinned(AboutView(), run), run, served_store()) == ()
    assert downloads_of(pinned(NeighborsView(upload="0" * 64), run), run, served_store()) == ()
    assert downloads_of(pinned(LabView(method="fool"), run), run, served_store()) == ()
    write_full_store(tmp_path / "full")
    full = Store(tmp_path / "full").open()
    view = ImageView("full", full.fingerprint, tab="occlusion", image=3)
    assert downloads_of(view, full, tmp_path / "full") == ()


def test_a_gone_original_is_said(run, monkeypatch):
    monkeypatch.setattr(runs, "original", lambda *_: (_ for _ in ()).throw(ValueError("it is gone")))
    download = main_download(pinned(STORED["image"], run), run, served_store())
    with pytest.raises(ValueError, match="gone"):
        download.file(PNG)
    assert download.file(CSV)


def test_an_arrays_table_names_its_channels():
    assert array_table(np.zeros((2, 3), np.float32)).column_names == ["y", "x", "value"]
    table = array_table(np.arange(18, dtype=np.float32).reshape(2, 3, 3))
    assert table.column_names == ["y", "x", "red", "green", "blue"]
    assert table.slice(4, 1).to_pylist() == [{"y": 1, "x": 1, "red": 12, "green": 13, "blue": 14}]


def test_a_format_that_is_not_there_is_said():
    with pytest.raises(ValueError, match=r"'\.png'.*\.csv"):
        Report({}, tabulate=lambda: array_table(np.zeros((1, 1)))).file(PNG)


def test_without_the_network_the_strongest_channels_are_the_stores(run, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "refusal", lambda _: "it may not be used")
    download = main_download(pinned(STORED["strongest channels"], run), run, served_store())
    assert "--stored" in download.command and download.picture == by_command(download, PNG, tmp_path)
    held = run.table("top_patches").filter(pc.equal(run.table("top_patches")["image_id"], 4))
    assert sorted(download.table["value"].to_pylist()) == sorted(held["value"].to_pylist())


def test_a_layer_that_is_not_there_and_an_image_of_no_store_are_said(tmp_path, capsys):
    Image.new("RGB", (32, 32)).save(tmp_path / "new.png")
    asked = ["strongest", "--store", str(served_store()), "--device", "cpu"]
    assert main([*asked, "--image-id", "3", "--layer", "conv99"]) == 2
    assert "did you mean conv3" in capsys.readouterr().err
    assert main([*asked, "--stored", "--image", str(tmp_path / "new.png")]) == 2
    assert "--stored" in capsys.readouterr().err
    assert main([*asked, "--image", str(tmp_path / "new.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["image_id"] is None
