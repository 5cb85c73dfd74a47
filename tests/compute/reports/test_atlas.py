"""The atlas: each tile is the patch of the channel's strongest image, and each row that of its channel."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image

from compute.analysis.channel_filter import ChannelFilter
from compute.reports.base import ReportInputs, originals_of
from compute.reports.channels import atlas
from compute.reports.channels.atlas import GAP, HEADING, STATISTICS, AtlasSpec, Tiles
from compute.reports.channels.showcase import kept
from compute.reports.drawing.run_images import preprocessing_of, read_original
from featurestore.reader import Store
from tests.support.stores.served import copied_store, served_store
from tests.support.stores.shown import add_showcase


@pytest.fixture(scope="module")
def run():
    return Store(served_store()).open()


def cut(run, row, side):
    """The patch by PIL alone: cropped from the original, beyond whose border it is mid-grey, and scaled."""
    with Image.open(io.BytesIO(read_original(run, row["image_id"]))) as opened:
        image = opened.convert("RGB")
    edges = tuple(row[each] for each in ("left", "top", "right", "bottom"))
    left, top, right, bottom = map(round, preprocessing_of(run).seen_box(edges, *image.size))
    patch = Image.new("RGB", (right - left, bottom - top), (128, 128, 128))
    patch.paste(image, (-left, -top))
    longer = max(patch.size)
    size = [max(1, round(each * side / longer)) for each in patch.size]
    scaled = patch.resize(size, Image.Resampling.NEAREST if longer <= side else Image.Resampling.BOX)
    tile = Image.new("RGB", (side, side), (128, 128, 128))
    tile.paste(scaled, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(tile).astype(int)


def test_a_tile_is_the_patch_of_the_strongest_image(run):
    side, tiles = 40, Tiles(run, originals_of(run), 40)
    for layer in atlas.layer_names(run):
        rows = [run.top_patches(layer, channel).to_pylist()[0] for channel in range(6)]
        for row, tile in zip(rows, tiles.of(rows), strict=True):
            assert np.abs(np.rint(255 * tile) - cut(run, row, side)).max() <= 1, (layer, row)


def test_a_patch_with_pixels_enough_comes_from_the_thumbnail(run):
    def never(run, image_id):
        raise AssertionError(f"image {image_id} was read")

    row = {"image_id": 3, "left": 0.0, "top": 0.0, "right": 28.0, "bottom": 28.0}
    (tile,) = Tiles(run, never, 14).of([row])
    assert np.abs(np.rint(255 * tile) - cut(run, row, 14)).max() <= 2


def test_a_file_that_is_gone_is_said_or_stood_in_for(run):
    def gone(run, image_id):
        raise ValueError("it is gone")

    row = run.top_patches("conv1", 2).to_pylist()[0]
    with pytest.raises(ValueError, match="it is gone"):
        Tiles(run, gone, 64).of([row])
    (tile,) = Tiles(run, gone, 64, stand_in=True).of([row])
    assert tile.shape == (64, 64, 3) and np.isfinite(tile).all()


def test_a_channel_without_a_patch_is_grey(run):
    none = {"image_id": None, "left": None, "top": None, "right": None, "bottom": None}
    (tile,) = Tiles(run, originals_of(run), 8).of([none])
    assert (tile == 0.5).all()


def test_each_row_has_the_strongest_patch_of_its_channel(run):
    found = atlas.with_strongest(run.table("channels", STATISTICS), run)
    assert found["layer"].to_pylist() == run.table("channels", ["layer"])["layer"].to_pylist()
    for row in found.to_pylist()[::7]:
        first = run.top_patches(row["layer"], row["channel"]).to_pylist()[:1]
        expected = first[0] if first else dict.fromkeys(atlas.STRONGEST)
        assert {name: row[name] for name in atlas.STRONGEST} == {
            name: expected[name] for name in atlas.STRONGEST
        }


def test_a_channel_that_no_patch_names_has_none(run):
    rows = run.channels("conv2").select(STATISTICS).slice(0, 2)
    beyond = rows.set_column(1, "channel", pa.array([0, 9999], pa.int32()))
    assert atlas.with_strongest(beyond, run)["image_id"].is_valid().to_pylist() == [True, False]


@pytest.mark.parametrize("find", ["", "4"])
def test_a_layer_has_as_many_tiles_as_columns_and_a_chosen_one_all(run, find):
    spec = AtlasSpec(columns=5, side=16, find=find)
    report = spec.make(ReportInputs(run, read=originals_of(run)))
    layers = atlas.layer_names(run)
    lines = [1] * len(layers)
    width = 5 * (16 + GAP) - GAP
    assert report.draw().shape == (sum(HEADING + each * (16 + GAP) for each in lines), width, 3)
    whole = AtlasSpec(layer="conv2", columns=5, side=16, find=find).make(
        ReportInputs(run, read=originals_of(run))
    )
    count = len(ChannelFilter(find=find).listed(run.channels("conv2")))
    assert whole.draw().shape == (HEADING + -(-count // 5) * (16 + GAP), width, 3)
    assert len(whole.tabulate()) == count
    assert [each["layer"] for each in report.numbers["layers"]] == layers


def test_the_table_has_every_channel_that_passes_in_the_layers_order(run):
    table = AtlasSpec(sort="selectivity", only="live").make(ReportInputs(run)).tabulate()
    assert list(dict.fromkeys(table["layer"].to_pylist())) == atlas.layer_names(run)
    assert not any(table["dead"].to_pylist())
    for layer in atlas.layer_names(run):
        own = table.filter(pc.equal(table["layer"], layer))["selectivity"].drop_null().to_pylist()
        assert own == sorted(own, reverse=True)


def test_where_nothing_passes_the_layers_stand_without_tiles(run):
    report = AtlasSpec(find="99999", columns=4, side=16).make(ReportInputs(run, read=originals_of(run)))
    assert report.tabulate().num_rows == 0 and {each["channels"] for each in report.numbers["layers"]} == {0}
    assert report.draw().shape[1] == 4 * (16 + GAP) - GAP


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layer": "conv9"}, "unknown layer 'conv9'; did you mean conv"),
        ({"top_class": "yak"}, "unknown class 'yak'; choose from 0, 1"),
        ({"find": "seven"}, "numbers and ranges"),
    ],
)
def test_what_there_is_not_is_named(run, asked, said):
    with pytest.raises(ValueError, match=said):
        AtlasSpec(**asked).make(ReportInputs(run))


@pytest.mark.slow
def test_a_channel_whose_picture_the_store_keeps_is_that_picture(tmp_path):
    path = copied_store(tmp_path / "digits")
    run = add_showcase(path, range(2))
    layer = atlas.layer_names(run)[-1]
    rows = atlas.with_strongest(run.channels(layer).select(STATISTICS).slice(0, 3), run).to_pylist()
    own, plain = (Tiles(run, originals_of(run), 32, each).of(rows) for each in (kept, None))
    for channel, (tile, patch) in enumerate(zip(own, plain, strict=True)):
        if channel > 1:
            assert (tile == patch).all()
        else:
            picture = np.asarray(Image.fromarray(kept(run, layer, channel).pixels).convert("RGB"))
            assert np.abs(np.rint(255 * tile).astype(int) - picture).max() <= 1 and (tile != patch).any()
