"""Segmentation: seeds, GrabCut's outline, the kept component, and every way to fail."""

import cv2
import numpy as np
import pytest
import torch

from compute.images.pictures import picture
from compute.methods.attribution import segmentation
from compute.methods.attribution.segmentation import NoSegment, Segmentation, seeds, segment
from compute.methods.base import Inputs
from tests.support.networks.tiny import tiny_image, tiny_model


def disc(centre: tuple[int, int], radius: int, size: int = 96) -> np.ndarray:
    rows, cols = np.mgrid[:size, :size]
    return ((rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2).astype(np.float32)


def scene(*discs: np.ndarray) -> np.ndarray:
    """Orange discs on blue, with some noise: (H, W, 3) in [0, 1]."""
    shown = np.clip(sum(discs), 0, 1)[..., None]
    colours = shown * np.array([0.9, 0.5, 0.1]) + (1 - shown) * np.array([0.1, 0.3, 0.8])
    return np.clip(colours + np.random.default_rng(0).normal(0, 0.03, colours.shape), 0, 1).astype(np.float32)


def glow(centre: tuple[int, int], width: float, size: int = 96) -> np.ndarray:
    rows, cols = np.mgrid[:size, :size]
    return np.exp(-((rows - centre[0]) ** 2 + (cols - centre[1]) ** 2) / (2 * width**2)).astype(np.float32)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union."""
    return float(np.minimum(first, second).sum() / np.maximum(first, second).sum())


def test_outline_follows_the_colours_not_the_saliency():
    truth = disc((40, 50), 22)
    saliency = glow((34, 44), 14)
    mask = segment(scene(truth), saliency, 0.95, 0.30, 5, 0)
    assert mask.dtype == np.float32 and set(np.unique(mask)) == {0.0, 1.0}
    assert overlap(mask, truth) > 0.97
    assert overlap((saliency >= np.quantile(saliency, 0.95)).astype(np.float32), truth) < 0.5


def test_the_component_with_most_saliency_is_kept():
    wanted, other = disc((30, 30), 16), disc((70, 74), 18)
    mask = segment(scene(wanted, other), glow((30, 30), 14) + 0.3 * glow((70, 74), 14), 0.95, 0.30, 5, 0)
    assert overlap(mask, wanted) > 0.95


def test_seeds_are_the_quantiles():
    saliency = np.random.default_rng(1).random((40, 50)).astype(np.float32)
    labels = seeds(saliency, 0.95, 0.30)
    assert (labels == cv2.GC_FGD).mean() == pytest.approx(0.05, abs=0.002)
    assert (labels == cv2.GC_BGD).mean() == pytest.approx(0.30, abs=0.002)
    assert saliency[labels == cv2.GC_FGD].min() >= saliency[labels == cv2.GC_PR_FGD].max()
    assert saliency[labels == cv2.GC_BGD].max() <= saliency[labels == cv2.GC_PR_BGD].min()


def test_saliency_that_is_mostly_zero_still_has_both_seeds():
    saliency = np.zeros((40, 40), np.float32)
    saliency[10:12, 10:12] = 1.0
    labels = seeds(saliency, 0.95, 0.30)
    assert np.array_equal(labels == cv2.GC_FGD, saliency > 0) and np.array_equal(
        labels == cv2.GC_BGD, saliency == 0
    )


@pytest.mark.parametrize(
    ("saliency", "said"), [(np.zeros((20, 20)), "zero everywhere"), (np.ones((20, 20)), "gives no seeds")]
)
def test_saliency_without_differences_has_no_seeds(saliency, said):
    with pytest.raises(NoSegment, match=said):
        seeds(saliency.astype(np.float32), 0.95, 0.30)


def test_same_seed_same_mask():
    image = np.random.default_rng(2).random((64, 64, 3)).astype(np.float32)
    saliency = glow((30, 30), 12, 64)
    masks = []
    for disturbance in (1, 77):
        cv2.setRNGSeed(disturbance)
        masks.append(segment(image, saliency, 0.95, 0.30, 3, 0))
    assert np.array_equal(*masks)


def test_pictures_of_a_success():
    model = tiny_model("plain")
    image = torch.from_numpy(scene(disc((12, 12), 6, 24)).transpose(2, 0, 1)[:, :24, :24].copy())
    step = Segmentation(variant="gradient").run(model, Inputs(image=image))
    if step.numbers["failed"]:
        pytest.fail(step.numbers["failed"])
    assert step.pictures["cutout"].shape == (24, 24, 4)
    assert np.array_equal(step.pictures["cutout"][..., 3], step.data)
    inside = step.data > 0
    assert np.allclose(step.pictures["overlay"][inside], image.permute(1, 2, 0).numpy()[inside])
    assert step.numbers["share"] == pytest.approx(step.data.mean())


def test_grey_networks_are_segmented_in_three_equal_channels():
    model = tiny_model("grey")
    step = Segmentation(variant="gradient").run(model, Inputs(image=tiny_image(model)))
    if step.numbers["failed"] is None:
        assert step.pictures["overlay"].shape == (24, 24, 3)


def test_zero_gradient_is_said_and_the_saliency_shown():
    model = tiny_model("plain")
    with torch.no_grad():
        model.module[-1].weight.zero_()
    step = Segmentation().run(model, Inputs(image=tiny_image(model)))
    assert step.numbers["failed"] == "the saliency is zero everywhere"
    assert not step.data.any() and step.kind == "mask"
    assert picture(step).shape == (24, 24, 3) and np.array_equal(
        step.pictures["result"], step.pictures["saliency"]
    )


@pytest.mark.parametrize(("label", "said"), [(cv2.GC_BGD, "background"), (cv2.GC_FGD, "object")])
def test_grabcut_that_finds_nothing_or_everything_is_said(label, said, monkeypatch):
    def grabcut(image, labels, *rest):
        labels[:] = label

    monkeypatch.setattr(segmentation.cv2, "grabCut", grabcut)
    with pytest.raises(NoSegment, match=f"whole image is {said}"):
        segment(scene(disc((40, 40), 20)), glow((40, 40), 15), 0.95, 0.30, 5, 0)


def test_an_error_in_grabcut_is_a_failure_with_its_reason(monkeypatch):
    def grabcut(*args):
        raise cv2.error("too few pixels")

    monkeypatch.setattr(segmentation.cv2, "grabCut", grabcut)
    model = tiny_model("plain")
    step = Segmentation(variant="gradient").run(model, Inputs(image=tiny_image(model)))
    assert "too few pixels" in step.numbers["failed"]
