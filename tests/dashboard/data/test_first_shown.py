"""What is shown before anything is chosen: a sure and typical image, the most selective channel."""

import dataclasses

import pytest

from dashboard.data.first_shown import first_channel, first_image, first_whole_layer, telling_channels
from dashboard.data.runs import read_choices
from dashboard.views.definitions import ChannelsView, ImageView, LabView, MapView, NeighborsView
from dashboard.views.state import Choices
from featurestore.reader import Store
from tests.support.page_app import forget

CHOICES = Choices(images=9, layers={"early": 4, "late": 6}, maps=("tsne", "pca"))


@pytest.mark.slow
def test_the_first_image_is_right_and_sure(run):
    row = run.image(first_image(run))
    right = [each for each in run.table("images", ["correct", "probability"]).to_pylist() if each["correct"]]
    surer = sum(each["probability"] > row["probability"] for each in right)
    assert row["correct"] and surer <= 0.1 * len(right) + 1


@pytest.mark.slow
def test_the_first_channel_is_the_last_layers_most_selective_one(run):
    layer, channel = first_channel(run)
    assert layer == run.table("layers", ["layer"])["layer"].to_pylist()[-1]
    known = {row["channel"]: row["selectivity"] for row in run.channels(layer).to_pylist()}
    assert known[channel] == max(each for each in known.values() if each is not None)


@pytest.mark.slow
def test_telling_channels_are_of_different_classes(run):
    rows = {row["channel"]: row for row in run.channels(first_channel(run)[0]).to_pylist()}
    found = telling_channels(run, 3)
    assert len(set(found)) == 3 and found[0] == first_channel(run)
    classes = [rows[channel]["top_class"] for _, channel in found]
    known = {row["top_class"] for row in rows.values() if row["selectivity"] is not None}
    assert len(set(classes)) == min(3, len(known))


@pytest.mark.slow
def test_the_first_map_is_the_truest(run):
    truth = {row["method"]: row["trustworthiness"] or 0 for row in run.table("maps").to_pylist()}
    maps = read_choices(run).maps
    assert set(maps) == set(truth) and truth[maps[0]] == max(truth.values())
    assert MapView().fitted(read_choices(run))[0].map == maps[0]


@pytest.mark.slow
def test_a_store_without_channels_or_neighbors_has_a_first_image_all_the_same(copied):
    forget(copied, "neighbors")
    forget(copied, "channels")
    run = Store(copied).open()
    assert run.image(first_image(run))["correct"] and first_channel(run)[1] == 0


@pytest.mark.slow
def test_a_dream_is_of_the_last_layer_before_the_coarsest(run):
    rows = run.table("layers", ["layer", "stride_y"]).to_pylist()
    layer = first_whole_layer(run)
    assert layer == [row["layer"] for row in rows if row["stride_y"] < rows[-1]["stride_y"]][-1]
    choices = read_choices(run)
    assert LabView(method="dream").fitted(choices)[0].layer == layer != rows[-1]["layer"]
    assert LabView(method="dream", layer=rows[0]["layer"]).fitted(choices)[0].layer == rows[0]["layer"]
    assert LabView(method="guided").fitted(choices)[0].layer == rows[-1]["layer"]


def test_what_is_asked_for_is_shown():
    choices = dataclasses.replace(CHOICES, first_image=7, first_channel=("late", 5))
    for cls in (ImageView, NeighborsView):
        assert cls().fitted(choices) == (dataclasses.replace(cls(), image=7).fitted(choices)[0], ())
        assert cls(image=0).fitted(choices)[0].image == 0
    assert LabView(method="saliency").fitted(choices)[0].image == 7
    channels = ChannelsView().fitted(choices)[0]
    assert (channels.layer, channels.channel) == ("late", 5)
    early = ChannelsView(layer="early").fitted(choices)[0]
    assert (early.layer, early.channel) == ("early", 0)


def test_a_link_of_before_keeps_its_proof():
    assert "image" not in ImageView(image=0).chosen() and ImageView(image=7).chosen()["image"] == "7"
    assert "channel" not in ChannelsView(layer="early", channel=0).chosen()
    choices = dataclasses.replace(CHOICES, first_channel=("late", 5))
    shown, _ = ChannelsView(layer="early", channel=3).fitted(choices)
    assert shown.show == "channel" and shown.chosen() == {"layer": "early", "channel": "3"}
    assert ChannelsView().fitted(choices)[0].show == "atlas"
    assert ChannelsView(show="atlas", opened="early").fitted(choices)[0].chosen()["opened"] == "early"
