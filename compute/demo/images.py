"""The embedded demos' images: crops of the photographs that scikit-image and scikit-learn carry inside their
packages (a class a photograph), and scikit-learn's 8x8 handwritten digits. Nothing is downloaded or copied.

Each photograph gives one vertical *band* to the held-out split. No training crop touches it, so that a
held-out crop shows a part of the scene that the network has never seen."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import count

import numpy as np
from PIL import Image, ImageStat

Box = tuple[int, int, int, int]

CROP_SIZE = 96
DIGIT_SIZE = 32
BAND_WIDTH = 0.28
SCALES = (0.2, 0.28, 0.4, 0.55)
MIN_SIDE = 64
MIN_CONTRAST = 6.0
TRAIN_CROPS, TEST_CROPS = 70, 30
DIGIT_TEST_COUNT = 382
DIGITS_SOURCE = "sklearn.datasets:digits"


@dataclass(frozen=True)
class Photograph:
    """One photograph inside an installed package; `band_start` is where its held-out band begins, as a share
    of its width. Bands lie so that both the band and the rest show the subject."""

    label: str
    package: str
    file: str
    band_start: float

    @property
    def name(self) -> str:
        return f"{self.package}:{self.file}"


PHOTOGRAPHS = (
    Photograph("astronaut", "skimage.data", "astronaut.png", 0.44),
    Photograph("brick", "skimage.data", "brick.png", 0.72),
    Photograph("cat", "skimage.data", "chelsea.png", 0.55),
    Photograph("coffee", "skimage.data", "coffee.png", 0.60),
    Photograph("coins", "skimage.data", "coins.png", 0.72),
    Photograph("flower", "sklearn.datasets.images", "flower.jpg", 0.58),
    Photograph("galaxies", "skimage.data", "hubble_deep_field.jpg", 0.72),
    Photograph("grass", "skimage.data", "grass.png", 0.72),
    Photograph("gravel", "skimage.data", "gravel.png", 0.72),
    Photograph("moon", "skimage.data", "moon.png", 0.48),
    Photograph("motorcycle", "skimage.data", "motorcycle_left.png", 0.62),
    Photograph("page", "skimage.data", "page.png", 0.72),
    Photograph("photographer", "skimage.data", "camera.png", 0.44),
    Photograph("retina", "skimage.data", "retina.jpg", 0.60),
    Photograph("rocket", "skimage.data", "rocket.jpg", 0.62),
    Photograph("temple", "sklearn.datasets.images", "china.jpg", 0.40),
    Photograph("tissue", "skimage.data", "ihc.png", 0.72),
)
FURTHER = ("skimage.data:clock_motion.png", "skimage.data:motorcycle_right.png")
"""Not among those the demo network was trained on: a clock that moves, the motorcycle from a step aside."""
NAMES = (*(each.name for each in PHOTOGRAPHS), *FURTHER)


@dataclass(frozen=True)
class Crop:
    """A piece of a source picture, resampled to `size` pixels along its shorter side.

    `path` is `split/label/number.png`, or `subject/number.png` where there are no splits; `box` is (left,
    top, right, bottom) in the source's pixels, right and bottom exclusive."""

    path: str
    label: str
    split: str | None
    source: str
    box: Box
    size: int

    @property
    def scale(self) -> float:
        """Source pixels per pixel of the crop, along one axis."""
        return min(self._sides) / self.size

    def image(self) -> Image.Image:
        """The crop as 8-bit RGB (a photograph) or L (a digit)."""
        width, height = (round(side / self.scale) for side in self._sides)
        return _source(self.source, self.box).resize((width, height), Image.Resampling.BICUBIC)

    @property
    def _sides(self) -> tuple[int, int]:
        """Width and height in the source's pixels."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def png(self) -> bytes:
        """The crop as a PNG file: the source bytes that the store's SHA-256 is taken of."""
        buffer = io.BytesIO()
        self.image().save(buffer, "PNG")
        return buffer.getvalue()


@lru_cache(maxsize=len(NAMES))
def photograph(name: str) -> Image.Image:
    """The whole photograph `package:file` as RGB; ValueError if there is none of that name or its package
    doesn't carry it."""
    if name not in NAMES:
        raise ValueError(f"no demo photograph {name!r}; there are {', '.join(sorted(NAMES))}")
    package, file = name.split(":")
    resource = files(package).joinpath(file)
    if not resource.is_file():
        raise ValueError(f"the installed {package} has no {file}; install the versions of requirements.txt")
    return Image.open(io.BytesIO(resource.read_bytes())).convert("RGB")


def band(source: Photograph) -> tuple[int, int]:
    """The held-out band's columns [left, right) in the photograph's pixels."""
    width = photograph(source.name).width
    left = round(source.band_start * width)
    return left, min(width, left + round(BAND_WIDTH * width))


def regions(source: Photograph, split: str) -> tuple[Box, ...]:
    """The boxes that crops of `split` ("train", "test") are taken from: what lies beside the band, or it."""
    width, height = photograph(source.name).size
    left, right = band(source)
    match split:
        case "test":
            return ((left, 0, right, height),)
        case "train":
            sides = ((0, 0, left, height), (right, 0, width, height))
            return tuple(side for side in sides if side[2] - side[0] >= MIN_SIDE)
    raise ValueError(f"split {split!r} is neither 'train' nor 'test'")


def is_flat(image: Image.Image) -> bool:
    """Whether a crop shows nothing (empty sky, black space): its luminance's standard deviation, of 255, is
    below MIN_CONTRAST. Such a crop could come from several of the photographs."""
    return ImageStat.Stat(image.convert("L")).stddev[0] < MIN_CONTRAST


@lru_cache(maxsize=1)
def demo_crops() -> tuple[Crop, ...]:
    """The demo's 1,700 crops of 17 photographs, 70 training and 30 held-out ones a class, sorted by path."""
    crops = [
        crop
        for source in PHOTOGRAPHS
        for split, number in (("train", TRAIN_CROPS), ("test", TEST_CROPS))
        for crop in _photograph_crops(source, split, number)
    ]
    return tuple(sorted(crops, key=lambda crop: crop.path))


@lru_cache(maxsize=1)
def digit_images() -> tuple[Crop, ...]:
    """The 1,797 digits as 32x32 grey pictures, sorted by path. They come in runs of
    about 130, a writer's sheet each; the last three runs (382 digits) are held out."""
    labels = _digits()[1]
    first_test = len(labels) - DIGIT_TEST_COUNT
    splits = ["train" if index < first_test else "test" for index in range(len(labels))]
    crops = [
        Crop(
            f"{split}/{label}/{index:04d}.png",
            str(label),
            split,
            DIGITS_SOURCE,
            (0, 8 * index, 8, 8 * index + 8),
            DIGIT_SIZE,
        )
        for index, (split, label) in enumerate(zip(splits, labels, strict=True))
    ]
    return tuple(sorted(crops, key=lambda crop: crop.path))


def spread_boxes(areas: tuple[Box, ...], sides: list[int]) -> Iterator[Box]:
    """Endless square boxes inside the areas, all sides in turn, placed by the R2 low-discrepancy sequence
    (Roberts 2018: multiples of 1/g and 1/g^2 modulo 1, with g^3 = g + 1)."""
    choices = [(area, side) for side in sides for area in areas if _fits(area, side)]
    for step in count():
        (left, top, right, bottom), side = choices[step % len(choices)]
        across, down = (step * 0.7548776662466927) % 1, (step * 0.5698402909980532) % 1
        x = left + math.floor(across * (right - left - side + 1))
        y = top + math.floor(down * (bottom - top - side + 1))
        yield x, y, x + side, y + side


def _photograph_crops(source: Photograph, split: str, number: int) -> Iterator[Crop]:
    """`number` crops that aren't flat, from an even, deterministic spread of boxes over its regions."""
    boxes = spread_boxes(regions(source, split), _sides(min(photograph(source.name).size)))
    for index in range(number):
        path = f"{split}/{source.label}/{index:04d}.png"
        candidates = (Crop(path, source.label, split, source.name, box, CROP_SIZE) for box in boxes)
        yield next(crop for crop in candidates if not is_flat(crop.image()))


def _sides(shorter: int) -> list[int]:
    return sorted({max(MIN_SIDE, round(scale * shorter)) for scale in SCALES})


def _fits(area: Box, side: int) -> bool:
    return side <= area[2] - area[0] and side <= area[3] - area[1]


def _source(name: str, box: Box) -> Image.Image:
    picture = _digits()[0] if name == DIGITS_SOURCE else photograph(name)
    return picture.crop(box)


@lru_cache(maxsize=1)
def _digits() -> tuple[Image.Image, np.ndarray]:
    """All digits under one another as one grey picture 8 wide, and their labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    column = np.round(digits.images.reshape(-1, 8) * (255 / 16)).astype(np.uint8)
    return Image.fromarray(column), digits.target
