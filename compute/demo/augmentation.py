"""Endless training images for the demo networks: fresh random crops of the photographs' training regions, and
the training digits, each randomly changed. Everything follows from the NumPy generator that is handed in."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from compute.demo.images import (
    CROP_SIZE,
    PHOTOGRAPHS,
    Box,
    Photograph,
    digit_images,
    is_flat,
    photograph,
    regions,
)
from compute.demo.networks import CLASSES

Sampler = Callable[[np.random.Generator, int], tuple[Tensor, Tensor]]
"""(generator, batch size) -> images (N, C, H, W) float32 in [0, 1], labels (N,) int64."""

SMALLEST, LARGEST = 0.18, 0.6
GREY_SHARE = 0.25


def photographs_sampler() -> Sampler:
    """Random crops with sides of 18 % to 60 % of the photograph's shorter one, from outside the held-out
    bands; turned by quarters, mirrored, and changed in colour."""
    areas = [regions(source, "train") for source in PHOTOGRAPHS]

    def sample(rng: np.random.Generator, number: int) -> tuple[Tensor, Tensor]:
        labels = rng.integers(len(PHOTOGRAPHS), size=number)
        pixels = np.stack([_random_crop(rng, PHOTOGRAPHS[label], areas[label]) for label in labels])
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        return change_colors(rng, images), torch.from_numpy(labels)

    return sample


def digits_sampler() -> Sampler:
    """Training digits, turned by up to 12 degrees, scaled by up to 10 % and shifted by up to 2.5 pixels."""
    crops = [crop for crop in digit_images() if crop.split == "train"]
    pixels = torch.from_numpy(np.stack([np.asarray(crop.image()) for crop in crops]))[:, None].float() / 255
    targets = torch.tensor([CLASSES["digits"].index(crop.label) for crop in crops])

    def sample(rng: np.random.Generator, number: int) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(rng.integers(len(crops), size=number))
        return move(rng, pixels[chosen]), targets[chosen]

    return sample


def change_colors(rng: np.random.Generator, images: Tensor) -> Tensor:
    """Random saturation s (a share of the images becomes grey), contrast c, white balance w and brightness b:
    w (c (s x + (1 - s) grey) + (1 - c) mean) + b, with the pixel's grey and the image's mean, as one matrix
    product with the pixels' colours."""
    number, size = len(images), images.shape[2:]
    saturation = rng.uniform(0.5, 1.5, (number, 1, 1)) * (rng.random((number, 1, 1)) > GREY_SHARE)
    contrast = rng.uniform(0.6, 1.4, (number, 1, 1))
    balance = rng.uniform(0.85, 1.15, (number, 3, 1))
    brightness = rng.uniform(-0.12, 0.12, (number, 1, 1))
    matrix = balance * contrast * (saturation * np.eye(3) + (1 - saturation) / 3)
    shift = balance * (1 - contrast) * images.mean((1, 2, 3)).numpy().reshape(-1, 1, 1) + brightness
    matrices, shifts = torch.from_numpy(matrix).float(), torch.from_numpy(shift).float()
    return torch.baddbmm(shifts, matrices, images.flatten(2)).clamp_(0, 1).unflatten(2, size)


def move(
    rng: np.random.Generator, images: Tensor, degrees: float = 12, zoom: float = 0.1, shift: float = 0.16
) -> Tensor:
    """A random similarity transform of each image; `shift` in half-widths. Black comes in from outside."""
    angle = np.deg2rad(rng.uniform(-degrees, degrees, len(images)))
    scale = 1 + rng.uniform(-zoom, zoom, len(images))
    across, down = rng.uniform(-shift, shift, (2, len(images)))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrices = np.stack([np.stack([cosine, -sine, across], 1), np.stack([sine, cosine, down], 1)], 1)
    grid = F.affine_grid(torch.from_numpy(matrices).float(), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _random_crop(rng: np.random.Generator, source: Photograph, areas: tuple[Box, ...]) -> np.ndarray:
    """(size, size, 3) uint8 pixels of a crop that isn't flat."""
    picture = photograph(source.name)
    while True:
        crop = picture.crop(_random_box(rng, areas, min(picture.size)))
        crop = crop.resize((CROP_SIZE, CROP_SIZE), Image.Resampling.BICUBIC)
        if not is_flat(crop):
            return _turned(rng, np.asarray(crop))


def _random_box(rng: np.random.Generator, areas: tuple[Box, ...], shorter: int) -> Box:
    """A square with a side log-uniform in the scales that fit the area; areas are drawn by their width."""
    widths = np.array([right - left for left, _, right, _ in areas])
    left, top, right, bottom = areas[rng.choice(len(areas), p=widths / widths.sum())]
    largest = min(LARGEST * shorter, right - left, bottom - top)
    smallest = min(max(SMALLEST * shorter, CROP_SIZE / 2), largest)
    side = int(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    x, y = rng.integers(left, right - side + 1), rng.integers(top, bottom - side + 1)
    return int(x), int(y), int(x) + side, int(y) + side


def _turned(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    turned = np.rot90(pixels, int(rng.integers(4)))
    return turned[:, ::-1] if rng.random() < 0.5 else turned
