"""The occlusion stage gives every image the dense maps of its target."""

import numpy as np
import pytest

from compute.occlusion.maps import occlusion_maps
from compute.pipeline.stages.occlusion import OcclusionStage, default_patch, default_stride, occlusion_table
from tests.support.networks.tiny import CLASSES, NETWORKS, tiny_image, tiny_model


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("patch, stride", [(6, 3), (7, 5)])
def test_maps_are_the_dense_ones(name, patch, stride):
    model = tiny_model(name)
    crops, targets = [tiny_image(model, seed) for seed in range(3)], ["bee", "dog", "bee"]
    stage = OcclusionStage(model, patch, stride)
    for crop, target, found in zip(crops, targets, stage.maps(crops, targets), strict=True):
        dense = occlusion_maps(model, crop, CLASSES.index(target), patch, stride)
        assert (found.ys, found.xs, found.done) == (dense.ys, dense.xs, dense.total)
        np.testing.assert_allclose(found.logit, dense.logit, atol=1e-4)
        np.testing.assert_allclose(found.probability, dense.probability, atol=1e-5)
        assert (found.argmax == dense.argmax).mean() > 0.95, "but for ties"
        assert found.unoccluded_logit == pytest.approx(dense.unoccluded_logit, abs=1e-5)
        assert found.unoccluded_probability == pytest.approx(dense.unoccluded_probability, abs=1e-6)


def test_table():
    model = tiny_model("wide")
    maps = OcclusionStage(model, 8, 8).maps([tiny_image(model)], ["cat"])
    (row,) = occlusion_table([7], ["cat"], maps).to_pylist()
    assert (row["image_id"], row["target"], row["patch"], row["stride"]) == (7, "cat", 8, 8)
    assert (row["rows"], row["cols"]) == (3, 4), "20 x 28 pixels: windows at 0, 8, 12 and 0, 8, 16, 20"
    assert row["probability"] == pytest.approx(maps[0].probability.reshape(-1).tolist())
    assert occlusion_table([], [], []).num_rows == 0


def test_defaults_are_shares_of_the_input():
    assert (default_patch((96, 96)), default_stride((96, 96))) == (24, 12)
    assert (default_patch((3, 8)), default_stride((3, 8))) == (1, 1)


def test_windows_are_run_incrementally_where_the_network_is_traced():
    assert OcclusionStage(tiny_model("plain"), 6, 3).images_at_once > 1
    assert OcclusionStage(tiny_model("untraceable"), 6, 3).images_at_once == 1
