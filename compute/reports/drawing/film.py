"""How a method came to its picture: small frames of its steps, and films made of them.

A film is a GIF, or an MP4 in VP9, which every browser plays.
"""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from compute.images.encoding import encoded, opened
from compute.images.pictures import picture
from compute.methods.base import Step

MOST_FRAMES = 64
LONGER_SIDE, SHORTER_SIDE = 512, 192
"""Pixels of a frame: larger pictures are averaged down, smaller ones are enlarged by whole pixels."""

QUALITY = 92
FRAMES_A_SECOND, LAST_STANDS = 12, 1.5
"""Of a film, and the seconds that its last frame stands."""


class Frames:
    """Collects the frames of a method's steps, at most MOST_FRAMES, evenly over all of them."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._every, self._seen = 1, 0
        self._last: np.ndarray | None = None

    def add(self, step: Step) -> None:
        """Take a step in, where it is an image, and another one than the step before."""
        if step.kind != "image" or step.data is self._last:
            return
        self._last = step.data
        if self._seen % self._every == 0:
            self._frames.append(frame(step))
        self._seen += 1
        if len(self._frames) > MOST_FRAMES:
            self._frames, self._every = self._frames[::2], 2 * self._every

    def all(self, result: Step) -> tuple[bytes, ...]:
        """Return the frames as JPEG files, the result last; none where it is not made step by step."""
        if self._seen < 2:
            return ()
        last = frame(result)
        return (*(self._frames[:-1] if self._frames[-1] == last else self._frames), last)


def frame(step: Step) -> bytes:
    """Return a step's picture at the size of a frame, as a JPEG file."""
    drawn = Image.fromarray(picture(step)).convert("RGB")
    if max(drawn.size) > LONGER_SIDE:
        drawn.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.BOX)
    factor = max(1, -(-SHORTER_SIDE // min(drawn.size)))
    shown = drawn.resize([side * factor for side in drawn.size], Image.Resampling.NEAREST)
    return encoded(shown, "JPEG", quality=QUALITY)


def gif(frames: Sequence[bytes]) -> bytes:
    """Return frames of one size as a GIF file that plays again and again."""
    pictures = [opened(each).quantize() for each in frames]
    each = 1000 // FRAMES_A_SECOND
    times = [each] * (len(frames) - 1) + [round(1000 * LAST_STANDS)]
    film = io.BytesIO()
    pictures[0].save(film, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
    return film.getvalue()


def mp4(frames: Sequence[bytes]) -> bytes:
    """Return frames of one size as an MP4 file; OSError where the codec is not there."""
    pictures = [np.asarray(opened(each).convert("RGB"))[..., ::-1] for each in frames]
    # The codec halves the color's resolution, so it takes even sides alone.
    height, width = (side - side % 2 for side in pictures[0].shape[:2])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "film.mp4"
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"vp09"), FRAMES_A_SECOND, (width, height))
        if not writer.isOpened():
            raise OSError("this build of OpenCV has no VP9, so it can't write an MP4 file")
        for each in pictures + pictures[-1:] * round(LAST_STANDS * FRAMES_A_SECOND):
            writer.write(np.ascontiguousarray(each[:height, :width]))
        writer.release()
        return file.read_bytes()
