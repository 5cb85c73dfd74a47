"""TIFF files whose values Pillow can't hold: any number of channels, 8 to 64 bits each, and pages as
channels.

Pillow reads the tags, and libtiff in it unpacks the strips and tiles; here their bytes become numbers.
"""

import contextlib
import io
import itertools
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

HEADERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BIG = 43
"""Of BigTIFF, whose addresses have eight bytes; the number stands in the header."""

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES = 256, 257, 258, 259, 262, 274, 277
STRIPS, STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR = 273, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA, FORMAT = 322, 323, 324, 325, 338, 339
RAW = 1
UNPACKED = {
    1: "none",
    5: "LZW",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    34925: "LZMA",
    50000: "zstd",
}
"""Compressions of bytes, which don't ask what the bytes mean."""

PREDICTED = {5, 8, 32946, 34925, 50000}
"""Those before which neighbours may have been subtracted (the tag `predictor`); others ignore it."""

PREMULTIPLIED, OPACITY = 1, 2
"""What the tag `extra` says of the last value of a pixel."""

KINDS = {1: "u", 2: "i", 3: "f"}
SEPARATE = 2
HORIZONTAL, FLOATING = 2, 3
INVERTED, GREY, RGB, INKS = 0, 1, 2, 5
"""What the tag `photometric` says of the values: white is 0, black is 0, colors, inks."""

MOST_PAGES = 4096
MAX_BYTES = 2**30


@dataclass(frozen=True)
class Page:
    """One image of a TIFF file, from its tags. samples: values a pixel. dtype: of one value, or None for what
    this module doesn't read. photometric: INVERTED, GREY, RGB or INKS, or another."""

    data: bytes
    tags: ImageFileDirectory_v2
    width: int
    height: int
    samples: int
    dtype: np.dtype | None
    photometric: int

    @property
    def deep(self) -> bool:
        """Whether a value has more than 8 bits."""
        return self.dtype is not None and self.dtype.itemsize > 1

    @property
    def has_alpha(self) -> bool:
        """Whether the last value of a grey or RGB pixel is its opacity."""
        return tuple(self.tags.get(EXTRA, ()))[-1:] in ((PREMULTIPLIED,), (OPACITY,))

    @property
    def is_premultiplied(self) -> bool:
        """Whether its colors are multiplied by their opacity."""
        return tuple(self.tags.get(EXTRA, ()))[-1:] == (PREMULTIPLIED,)

    @property
    def colors(self) -> str | None:
        """By Pillow's name; None where the tags don't say what each channel is."""
        if self.photometric in (INVERTED, GREY):
            return {1: "L", 2: "LA" if self.has_alpha else None}.get(self.samples)
        if self.photometric == RGB:
            return {3: "RGB", 4: "RGBA" if self.has_alpha else None}.get(self.samples)
        return "CMYK" if self.photometric == INKS and self.samples == 4 else None

    @property
    def compression(self) -> int:
        """One of UNPACKED, or another, which can't be read here."""
        return int(self.tags.get(COMPRESSION, RAW))

    def values(self) -> np.ndarray:
        """(height, width, samples) as stored, upright. Raises ValueError for what is damaged or not
        supported."""
        if self.dtype is None:
            raise ValueError(
                "values of this kind of TIFF can't be read; it must have 8, 16, 32 or 64 bits a value"
            )
        if self.width * self.height * self.samples * self.dtype.itemsize > MAX_BYTES:
            raise ValueError(f"its values take more than {MAX_BYTES:,} bytes")
        with _value_errors():
            return upright(self._together(), int(self.tags.get(ORIENTATION, 1)))

    def _together(self) -> np.ndarray:
        planes = self.samples if self.tags.get(PLANAR) == SEPARATE else 1
        shape = (planes, self.height, self.width, self.samples // planes)
        found = np.zeros(shape, self.dtype.newbyteorder("="))
        places, blocks = self._places(planes), self._blocks(planes)
        for (plane, top, left), block in zip(places, blocks, strict=True):
            target = found[plane, top : top + block.shape[0], left : left + block.shape[1]]
            target[...] = block[: target.shape[0], : target.shape[1]]
        return found[0] if planes == 1 else np.moveaxis(found[..., 0], 0, 2)

    @property
    def _tiled(self) -> bool:
        return TILES in self.tags

    @property
    def _block(self) -> tuple[int, int]:
        """Height and width of a strip or tile."""
        if self._tiled:
            return int(self.tags[TILE_HEIGHT]), int(self.tags[TILE_WIDTH])
        return min(int(self.tags.get(STRIP_ROWS, self.height)), self.height), self.width

    def _places(self, planes: int) -> Iterator[tuple[int, int, int]]:
        height, width = self._block
        return itertools.product(range(planes), range(0, self.height, height), range(0, self.width, width))

    def _blocks(self, planes: int) -> Iterator[np.ndarray]:
        """The strips or tiles in order, (height, width, samples) each; the last strip is lower."""
        starts, lengths = (
            self.tags[tag] for tag in ((TILES, TILE_BYTES) if self._tiled else (STRIPS, STRIP_BYTES))
        )
        height, width = self._block
        samples = self.samples // planes
        for (_, top, _), start, length in zip(
            self._places(planes), _several(starts), _several(lengths), strict=True
        ):
            rows = height if self._tiled else min(height, self.height - top)
            packed = self.data[start : start + length]
            row_bytes = width * samples * self.dtype.itemsize
            yield self._numbers(_unpacked(packed, self.compression, row_bytes, rows), samples)

    def _numbers(self, rows: np.ndarray, samples: int) -> np.ndarray:
        """Bytes (rows, bytes of a row) as values (rows, width, samples), with the predictor undone."""
        predictor = int(self.tags.get(PREDICTOR, 1)) if self.compression in PREDICTED else 1
        if predictor == FLOATING:
            return _floating(rows, samples, self.dtype)
        values = rows.view(self.dtype).astype(self.dtype.newbyteorder("=")).reshape(len(rows), -1, samples)
        return np.cumsum(values, axis=1, dtype=values.dtype) if predictor == HORIZONTAL else values


def is_tiff(data: bytes) -> bool:
    return data.startswith(HEADERS)


def pages(data: bytes) -> Iterator[Page]:
    """The images of a TIFF file, in order, at most 4096; ValueError where the tags can't be read."""
    header = data[:16] if data[2:4] in (b"+\0", b"\0+") else data[:8]
    with io.BytesIO(data) as file, warnings.catch_warnings(), _value_errors():
        warnings.simplefilter("ignore")
        directory, seen = ImageFileDirectory_v2(header), set[int]()
        while directory.next and directory.next not in seen and len(seen) < MOST_PAGES:
            seen.add(directory.next)
            following = ImageFileDirectory_v2(header)
            file.seek(directory.next)
            following.load(file)
            yield _page(data, following)
            directory = following


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as stored, turned and mirrored as the tag says."""
    if orientation > 4:
        values = values.swapaxes(0, 1)
    down = {3, 4} if orientation <= 4 else {7, 8}
    across = {2, 3} if orientation <= 4 else {6, 7}
    values = values[::-1] if orientation in down else values
    return values[:, ::-1] if orientation in across else values


def _page(data: bytes, tags: ImageFileDirectory_v2) -> Page:
    width, height = (int(tags.get(tag, 0)) for tag in (WIDTH, HEIGHT))
    if width < 1 or height < 1:
        raise ValueError("it has no width or no height")
    samples = int(tags.get(SAMPLES, 1))
    order = ">" if data.startswith(b"MM") else "<"
    return Page(data, tags, width, height, samples, _dtype(tags, order), int(tags.get(PHOTOMETRIC, 1)))


def _dtype(tags: ImageFileDirectory_v2, order: str) -> np.dtype | None:
    """None for values that differ in kind, or have a number of bits that is no kind of NumPy's."""
    bits, formats = set(_several(tags.get(BITS, 1))), set(_several(tags.get(FORMAT, 1)))
    kind = KINDS.get(formats.pop()) if len(formats) == 1 else None
    size = bits.pop() if len(bits) == 1 else 0
    known = size in ((16, 32, 64) if kind == "f" else (8, 16, 32, 64))
    return np.dtype(f"{order}{kind}{size // 8}") if kind and known else None


def _unpacked(packed: bytes, compression: int, row_bytes: int, rows: int) -> np.ndarray:
    """(rows, row_bytes) uint8. A strip is unpacked as a grey picture of as many bytes: no more memory than
    that."""
    if compression not in UNPACKED:
        raise ValueError(
            f"TIFF compression {compression} is not supported for these values; choose from "
            + ", ".join(dict.fromkeys(UNPACKED.values()))
        )
    if rows * row_bytes > MAX_BYTES:
        raise ValueError(f"a strip or tile of it takes more than {MAX_BYTES:,} bytes")
    if compression == RAW:
        if len(packed) < rows * row_bytes:
            raise ValueError("image file is truncated")
        return np.frombuffer(packed, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
    with (
        _value_errors(),
        Image.open(
            io.BytesIO(_grey_tiff(packed, compression, row_bytes, rows)), formats=("TIFF",)
        ) as picture,
    ):
        return np.array(picture)


def _grey_tiff(packed: bytes, compression: int, width: int, height: int) -> bytes:
    """A TIFF file of one strip of 8-bit grey."""
    entries = (
        (WIDTH, width), (HEIGHT, height), (BITS, 8), (COMPRESSION, compression), (PHOTOMETRIC, 1),
        (STRIPS, 8 + 2 + 9 * 12 + 4), (SAMPLES, 1), (STRIP_ROWS, height), (STRIP_BYTES, len(packed)),
    )  # fmt: skip
    tags = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<LH", 8, len(entries)) + tags + struct.pack("<L", 0) + packed


def _floating(rows: np.ndarray, samples: int, dtype: np.dtype) -> np.ndarray:
    """Undoes the floating-point predictor: bytes of equal weight lie together, each as the difference to the
    one `samples` before it."""
    differences = rows.reshape(len(rows), -1, samples)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(len(rows), dtype.itemsize, -1)
    values = np.ascontiguousarray(planes.swapaxes(1, 2)).view(dtype.newbyteorder(">"))
    return values.astype(dtype.newbyteorder("=")).reshape(len(rows), -1, samples)


def _several(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


@contextlib.contextmanager
def _value_errors() -> Iterator[None]:
    """Whatever is stumbled over becomes a ValueError, but for want of memory."""
    try:
        yield
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # Pillow raises many kinds, and so do tags that are not what they should be
        raise ValueError(str(error) or type(error).__name__) from error
