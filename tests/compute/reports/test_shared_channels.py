"""The strongest channels of all layers together, in a box or not, and the other images that have them; held
against plain loops over the store's tables."""

import dataclasses
import io
import json
from collections import defaultdict
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from compute.__main__ import main
from compute.models.zoo import ModelSpec, load
from compute.reports.base import ReportInputs, originals_of
from compute.reports.channels.picture_box import PictureBox
from compute.reports.channels.responses import TOGETHER, most_unusual, peaks_of, stored
from compute.reports.channels.shared_channels import OTHERS, others
from compute.reports.channels.strongest_channels import StrongestChannelsSpec, shared_with
from compute.reports.drawing.formats import CSV, PARQUET, PNG
from compute.reports.drawing.run_images import picture_of, preprocessing_of, read_original
from featurestore.reader import Run, Store
from tests.support.stores.served import served_store

pytestmark = pytest.mark.slow

IMAGE, BOX = 5, "0.25,0.125,0.75,0.5"


@cache
def run() -> Run:
    return Store(served_store()).open()


@cache
def model():
    return load(ModelSpec("digits"), "cpu")


def report(image_id=IMAGE, **options):
    spec = StrongestChannelsSpec(**{"together": True} | options)
    return spec.make(ReportInputs(run(), model=model, image_id=image_id, read=originals_of(run())))


def photograph(image_id=IMAGE):
    return picture_of(read_original(run(), image_id), "image", preprocessing_of(run()))


def slow_maxima(layer):
    """(N, C): each image's spatial maxima, one image after the other."""
    rows = []
    for image_id in range(run().image_count):
        with torch.no_grad():
            maps = model().activations(model().prepare(photograph(image_id))[None], {layer})[layer][0]
        rows.append(maps.amax((1, 2)).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("box", ["", BOX])
def test_shares_are_those_of_the_images_at_least_as_strong(box):
    drawn = PictureBox.from_text(box) if box else None
    found = peaks_of(run(), model(), photograph(), drawn)
    unusual = most_unusual(run(), "", found, IMAGE, photograph().size)
    for layer, shares in unusual.shares.items():
        maxima = slow_maxima(layer)
        low, high = maxima.min(0), maxima.max(0)
        for channel, share in enumerate(shares):
            value = found[layer].value[channel]
            if value <= 0:
                assert np.isnan(share)
                continue
            margin = 1e-5 * value
            counted = (maxima[:, channel] >= value - margin).mean()
            within = (high[channel] - low[channel]) / 8  # a bin is a sixteenth of the range at most
            near = np.abs(maxima[:, channel] - value) <= within
            assert abs(share - counted) <= near.mean(), (layer, channel)
            if (maxima[:, channel] >= value - margin).sum() < 9:
                assert share == pytest.approx(counted)


def test_the_list_of_all_layers_is_the_rarest_of_every_channel():
    found = peaks_of(run(), model(), photograph(), PictureBox.from_text(BOX))
    unusual = most_unusual(run(), "", found, None, photograph().size)
    every = sorted(share for shares in unusual.shares.values() for share in shares if not np.isnan(share))
    assert [each.at_least for each in unusual.channels] == every[:TOGETHER]
    for each in unusual.channels:
        assert unusual.shares[each.layer][each.channel] == each.at_least and each.rank is None
        assert each.value == found[each.layer].value[each.channel]


def test_other_images_are_counted_as_by_a_loop_over_all_patches():
    found = peaks_of(run(), model(), photograph())
    channels = most_unusual(run(), "", found, IMAGE, photograph().size).channels
    wanted = {(each.layer, each.channel) for each in channels}
    ranks = defaultdict(list)
    for row in run().table("top_patches").to_pylist():
        if (row["layer"], row["channel"]) in wanted and row["image_id"] != IMAGE:
            ranks[row["image_id"]].append(row["rank"])
    expected = sorted(ranks, key=lambda each: (-len(ranks[each]), np.mean(ranks[each]), each))
    shared = shared_with(run(), channels, IMAGE, "")
    assert [each.image_id for each in shared.images] == expected[:OTHERS]
    assert shared.count == len(expected) and shared.channels == len(channels)
    for image in shared.images:
        assert sorted(patch.rank for patch in image.patches) == sorted(ranks[image.image_id])
        for patch in image.patches:
            row = run().top_patches(patch.layer, patch.channel).to_pylist()[patch.rank]
            assert patch.box == (row["left"], row["top"], row["right"], row["bottom"])
            assert (patch.value, patch.y, patch.x) == (row["value"], row["y"], row["x"])


def test_the_image_itself_and_its_copies_are_no_other_images():
    channels = [(each.layer, each.channel) for each in stored(run(), IMAGE)]
    assert IMAGE in {each.image_id for each in others(run(), channels, ()).images}
    sha256 = run().image(IMAGE)["sha256"]
    shared = shared_with(run(), stored(run(), IMAGE), None, sha256)
    assert IMAGE not in {each.image_id for each in shared.images}


def test_by_chance_is_what_images_share_on_average():
    channels = [("conv1", channel) for channel in range(4)]
    shared = others(run(), channels, ())
    patches = sum(len(run().top_patches(*each)) for each in channels)
    assert shared.by_chance == patches / run().image_count


def test_rows_numbers_and_picture_say_the_same():
    made = report(box=BOX)
    rows, numbers = made.tabulate().to_pylist(), made.numbers
    own = [row for row in rows if row["other_image"] is None]
    assert [(row["layer"], row["channel"]) for row in own] == [
        (each["layer"], each["channel"]) for each in numbers["channels"]
    ]
    for image in numbers["others"]:
        of_image = [row for row in rows if row["other_image"] == image["image_id"]]
        assert len(of_image) == image["shared"] == of_image[0]["shared"]
        assert [f"{row['layer']}/{row['channel']}" for row in of_image] == image["channels"]
    assert numbers["box"] == BOX == made.recipe["box"]
    with Image.open(io.BytesIO(made.file(PNG))) as picture:
        assert picture.width > 800


@pytest.mark.parametrize("options", [{"box": BOX}, {}, {"stored": True}, {"box": BOX, "together": False}])
def test_the_command_makes_the_same_bytes(options, tmp_path, capsys):
    made = report(**options)
    asked = {"together": True} | options
    words = [f"--{name}" if value is True else f"--{name}={value}" for name, value in asked.items() if value]
    for suffix in (PNG, CSV, PARQUET):
        out = tmp_path / f"x{suffix}"
        target = ["--store", str(served_store()), "--image-id", str(IMAGE), "--out", str(out), "--json"]
        assert main(["strongest", *target, *words]) == 0
        assert out.read_bytes() == made.file(suffix)
    printed = json.loads(capsys.readouterr().out.split("\n}\n")[0] + "\n}")
    assert printed["channels"] == made.numbers["channels"]


def test_the_report_without_a_box_is_as_it_was():
    made = report(together=False)
    assert set(made.recipe) == {
        "exhibit", "image", "layer", "from_the_store_alone", "run", "model", "weights_hash", "images_hash",
    }  # fmt: skip
    assert set(made.numbers) == {"image_id", "layer", "from_the_store_alone", "channels"}


def test_what_a_box_can_t_be_asked_is_said():
    with pytest.raises(ValueError, match="box is 0,0,1,1, which --stored"):
        StrongestChannelsSpec(stored=True, box="0,0,1,1")
    with pytest.raises(ValueError, match="'x' is not four numbers"):
        StrongestChannelsSpec(box="x")
    assert StrongestChannelsSpec(box="0.0,0.10,1,1.0").box == "0,0.1,1,1"
    with pytest.raises(ValueError, match="unknown layer 'nowhere'"):
        report(layer="nowhere", box=BOX)
    assert dataclasses.replace(StrongestChannelsSpec(), box=BOX).options()["box"] == BOX


def test_layers_of_which_a_box_says_nothing_are_left_out_and_said(monkeypatch):
    network = model()
    known = {name: found for name, found in network.centers.items() if name != "conv2"}
    monkeypatch.setitem(network.__dict__, "centers", known)
    made = report(box=BOX)
    assert "conv2" not in {each["layer"] for each in made.numbers["channels"]}
    assert made.remark.startswith("a box says nothing of conv2: where in the image their units stand is not")
    with pytest.raises(ValueError, match=r"a box says nothing of conv2.*choose from conv1, conv3"):
        report(layer="conv2", box=BOX)
    monkeypatch.setitem(network.__dict__, "centers", {})
    with pytest.raises(ValueError, match="a box says nothing of conv1, conv2, conv3"):
        report(box=BOX)
