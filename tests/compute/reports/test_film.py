"""Frames of a method's steps, and the films made of them: as many as there were, the result last."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from compute.images.pictures import picture
from compute.methods.base import Inputs, Step
from compute.methods.synthesis.ascent import Ascent
from compute.reports.drawing.film import MOST_FRAMES, SHORTER_SIDE, Frames, frame, gif, mp4
from tests.support.networks.tiny import tiny_model


def step(index: int, shade: float, kind: str = "image") -> Step:
    return Step(index, 9, kind, np.full((33, 47, 3), shade, np.float32))


def film(shades: list[float]) -> tuple[bytes, ...]:
    frames = Frames()
    steps = [step(index, shade) for index, shade in enumerate(shades)]
    for each in steps:
        frames.add(each)
    return frames.all(steps[-1])


def shade_of(content: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).mean() / 255)


def test_every_other_picture_is_a_frame_once():
    frames, first = Frames(), step(0, 0.2)
    for each in (first, Step(1, 9, "image", first.data), step(2, 0.5), step(3, 0.8)):
        frames.add(each)
    found = frames.all(step(3, 0.8))
    assert [shade_of(each) for each in found] == pytest.approx([0.2, 0.5, 0.8], abs=0.01)
    with Image.open(io.BytesIO(found[0])) as drawn:
        assert min(drawn.size) >= SHORTER_SIDE and drawn.size[0] * 33 == drawn.size[1] * 47


def test_a_long_run_keeps_few_frames_evenly():
    shades = np.linspace(0, 1, 1000).tolist()
    found = [shade_of(each) for each in film(shades)]
    assert MOST_FRAMES / 2 <= len(found) <= MOST_FRAMES + 1
    assert found == sorted(found) and found[0] < 0.01 and found[-1] > 0.99
    assert np.diff(found[:-1]).std() < 0.01


def test_what_is_made_at_once_has_no_film():
    assert film([0.5]) == ()
    frames = Frames()
    frames.add(step(0, 0.1, kind="heatmap"))
    frames.add(step(1, 0.2, kind="heatmap"))
    assert frames.all(step(1, 0.2, kind="heatmap")) == ()


def test_films_show_every_frame_and_let_the_last_one_stand():
    frames = film([0.1, 0.4, 0.7, 0.9])
    with Image.open(io.BytesIO(gif(frames))) as made:
        assert made.format == "GIF" and made.n_frames == 4
        made.seek(3)
        assert made.info["duration"] >= 1000


def test_an_mp4_is_read_again(tmp_path):
    file = tmp_path / "film.mp4"
    file.write_bytes(mp4(film([0.1, 0.4, 0.7, 0.9])))
    video, shades = cv2.VideoCapture(str(file)), []
    while (read := video.read())[0]:
        shades.append(read[1].mean() / 255)
    assert shades[:4] == pytest.approx([0.1, 0.4, 0.7, 0.9], abs=0.05)
    assert len(shades) > 10 and shades[-1] == pytest.approx(0.9, abs=0.05)


def test_the_last_frame_is_the_result():
    frames = Frames()
    for last in Ascent(iterations=6).steps(tiny_model("plain"), Inputs(target=1)):
        frames.add(last)
    found = frames.all(last)
    assert len(found) >= 5 and found[-1] == frame(last)
    shown = np.asarray(Image.open(io.BytesIO(found[-1])).convert("RGB")).astype(int)
    drawn = picture(last)
    factor = shown.shape[0] // drawn.shape[0]
    assert np.abs(shown[::factor, ::factor] - drawn[..., :3]).mean() < 12, "but for JPEG's rounding"
