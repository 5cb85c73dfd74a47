"""Pictures of what channels look for, as pages read them: of a run that gains them while it is open."""

import io

import numpy as np
import pytest
from PIL import Image

from compute.methods.synthesis.ascent import Ascent
from compute.reports.channels.showcase import Kept, kept_report
from dashboard.data import runs
from dashboard.data.channels import showcase
from tests.support.stores.full import LAYERS, write_full_store
from tests.support.stores.shown import add_showcase

BRIEF = Ascent(iterations=1)
SIDE = 32
"""Of the network's input, in pixels."""


def test_a_run_without_the_table_has_none(run, store, serve):
    serve(store)
    assert showcase.channels(run, "conv3") == frozenset()
    assert showcase.kept(run, "conv3", 0) is showcase.tile(run, "conv3", 0, 64) is None


@pytest.mark.slow
def test_what_a_run_gains_is_seen_by_who_had_it_open(copied, serve):
    serve(copied)
    opened = runs.run_at(str(copied), (copied / "CURRENT").read_text().strip())
    assert showcase.channels(opened, "conv3") == frozenset() and showcase.kept(opened, "conv3", 8) is None
    for some in (range(2), range(8, 10)):
        added = add_showcase(copied, some, BRIEF)
        opened = runs.run_at(str(copied), added.fingerprint)
        assert showcase.channels(opened, "conv3") >= set(some)
        rows = added.select("showcase", "conv3", some[0]).to_pylist()
        assert showcase.kept(opened, "conv3", some[0]).png == rows[0]["image"]["bytes"]
    assert showcase.channels(opened, "conv3") == {0, 1, 8, 9} and showcase.channels(opened, "conv1") == set()
    assert showcase.kept(opened, "conv3", 5) is None and showcase.kept(opened, "conv3", 10**6) is None


@pytest.mark.slow
@pytest.mark.parametrize("side", [SIDE // 2, SIDE, 2 * SIDE])
def test_a_tile_is_the_picture_scaled(copied, serve, side):
    serve(copied)
    run = add_showcase(copied, range(1), BRIEF)
    whole = np.asarray(Image.open(io.BytesIO(showcase.kept(run, "conv3", 0).png)).convert("RGB"), float)
    tile = np.asarray(Image.open(io.BytesIO(showcase.tile(run, "conv3", 0, side))), float)
    if side >= SIDE:
        assert np.array_equal(tile, whole.repeat(side // SIDE, 0).repeat(side // SIDE, 1))
    else:
        assert np.abs(tile - whole.reshape(side, 2, side, 2, 3).mean((1, 3))).max() <= 1


def test_a_picture_that_is_none_is_said(tmp_path, serve):
    """A store may be somebody else's."""
    write_full_store(tmp_path / "full")
    serve(tmp_path / "full")
    run = runs.open_run("full", "full-run")
    assert showcase.channels(run, "block.conv") == set(range(LAYERS["block.conv"]))
    kept = showcase.kept(run, "block.conv", 2)
    assert isinstance(kept, Kept) and kept.dead
    with pytest.raises(ValueError, match="the store's picture of a channel can't be read"):
        showcase.tile(run, "block.conv", 2, 64)
    with pytest.raises(ValueError, match="has no recipe"):
        kept_report(kept)
    assert kept.parameters == Ascent().to_dict()
