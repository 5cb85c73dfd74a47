"""From a file's bytes to what a network takes of it: as many channels, and values between black and white.

Ordinary pictures are decoded as ever (`compute.images.decoding`). This module adds arrays, files of many
channels or pages, and files of more than 8 bits whose range is declared.
"""

from dataclasses import dataclass

import numpy as np

from compute.images.decoding import MAX_PIXELS, PNG_END, decode, decode_colors, depth_max, scaled_grey
from compute.images.formats import arrays, deep_png, tiff
from compute.images.raster import LEVELS, PAGES, Photograph, Raster, false_color

PICTURE_MODES = {1: "L", 3: "RGB"}
"""What a network of so many channels takes of a picture, where nothing else is declared."""

ALPHA = {"LA": "L", "RGBA": "RGB"}
ODD_TYPES = tuple(map(np.dtype, ("f2", "f8", "u8", "i8")))
"""Of grey values that TIFF files have and Pillow has no mode for."""

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in grey, as in Pillow (ITU-R 601)."""


@dataclass(frozen=True)
class Form:
    """What a network takes. channels: how many. colors: what they are, one of COLORS, or None where nothing
    is declared. value_max: what is white in files of whole numbers of more than 8 bits. value_range: what
    becomes 0 and what becomes 1, in files of decimal numbers, and of whole numbers without a `value_max`."""

    channels: int
    colors: str | None = None
    value_max: int | None = None
    value_range: tuple[float, float] | None = None

    @property
    def mode(self) -> str | None:
        """What pictures are converted to; None where they must have the right channels themselves."""
        return "RGB" if self.colors == PAGES else self.colors or PICTURE_MODES.get(self.channels)

    @property
    def stacks_pages(self) -> bool:
        """Whether the grey pages of a TIFF file are its channels."""
        return self.mode is None or self.colors == PAGES

    @property
    def is_declared(self) -> bool:
        """Whether the range of values is."""
        return self.value_max is not None or self.value_range is not None


def read(data: bytes, form: Form, max_pixels: int = MAX_PIXELS) -> Photograph:
    """The image in a file's bytes, upright; a network of 1 or 3 channels may get a picture of either, since
    the crop converts it. Raises ValueError with the reason for what can't be read or doesn't fit the
    network."""
    try:
        found = _raw(data, form, max_pixels)
        if found is None:
            return _picture(data, form, max_pixels)
        values, colors = found
        _check_pixels(values.shape[1], values.shape[0], max_pixels)
        return Raster(fitting(scaled(values, form), colors, form))
    except MemoryError as error:
        raise ValueError("there is not enough memory to decode it") from error


def check_readable(data: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ValueError with the reason for what is an image for no network, whatever its channels."""
    try:
        values = stored_values(data)
    except MemoryError as error:
        raise ValueError("there is not enough memory to decode it") from error
    if values is not None:
        _check_pixels(values.shape[1], values.shape[0], max_pixels)
    elif not arrays.is_array(data) and not _has_bands(data):
        decode(data, max_pixels)


def scaled(values: np.ndarray, form: Form) -> np.ndarray:
    """(H, W, C) as stored to uint8, for 8 bits, or float32 in [0, 1]; ValueError for values outside the
    range."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(LEVELS)
    if values.dtype == np.uint8:
        return values
    if not np.isfinite(values).all():
        raise ValueError("it has pixels that are not finite numbers")
    low, high = _ends(values, form)
    least, most = values.min().item(), values.max().item()
    if least < low or most > high:
        raise ValueError(_outside(values.dtype, least, most, form))
    return ((values.astype(np.float64) - low) / (high - low)).astype(np.float32)


def stored_values(data: bytes) -> np.ndarray | None:
    """Of a file of more than 8 bits a value: (H, W, C) as stored, before any scaling; None for others."""
    if arrays.is_array(data):
        values = arrays.array(data)
        return None if values.dtype.itemsize == 1 else values.reshape(*values.shape, *[1] * (3 - values.ndim))
    if deep_png.is_deep_png(data):
        return _deep_png(data)[0]
    if tiff.is_tiff(data):
        page = next(tiff.pages(data), None)
        return page.values() if page is not None and page.deep else None
    return None


def fitting(pixels: np.ndarray, colors: str | None, form: Form) -> np.ndarray:
    """(H, W, C) of a file with the channels that the network takes: grey for RGB and back, transparent parts
    on white, opaque where opacity is asked for. colors: the file's. ValueError where they don't fit."""
    wanted = form.mode
    if colors in ALPHA and wanted in ("L", "RGB"):
        values = pixels.astype(np.float32) / LEVELS if pixels.dtype == np.uint8 else pixels
        pixels, colors = false_color(values, colors).astype(np.float32), ALPHA[colors]
    if colors == "RGB" and wanted in ("L", "LA"):
        grey = pixels @ np.array(LUMA, np.float32)[:, None]
        pixels, colors = (grey.round().astype(np.uint8) if pixels.dtype == np.uint8 else grey), "L"
    if pixels.shape[2] == 1 and wanted in ("RGB", "RGBA"):
        pixels, colors = pixels.repeat(3, axis=2), "RGB"
    if wanted in ALPHA and colors == ALPHA[wanted]:
        opaque = np.full((*pixels.shape[:2], 1), LEVELS if pixels.dtype == np.uint8 else 1, pixels.dtype)
        pixels, colors = np.concatenate([pixels, opaque], axis=2), wanted
    if pixels.shape[2] != form.channels or (colors is not None and form.colors not in (None, PAGES, colors)):
        what = f"{pixels.shape[2]} channels" + (f" ({colors})" if colors else "")
        raise ValueError(f"it has {what}, and the network takes {spoken(form)}")
    return pixels


def spoken(form: Form) -> str:
    return f"{form.channels}" + (f" ({form.colors})" if form.colors else "")


def _raw(data: bytes, form: Form, max_pixels: int) -> tuple[np.ndarray, str | None] | None:
    """(H, W, C) as stored and what the channels are, one of COLORS or None; None for what Pillow decodes."""
    if arrays.is_array(data):
        return arrays.channels_last(arrays.array(data), form.channels), None
    if deep_png.is_deep_png(data) and (form.is_declared or form.mode not in ("L", "RGB")):
        return _deep_png(data, max_pixels)
    return _tiff(data, form, max_pixels) if tiff.is_tiff(data) else None


def _deep_png(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[np.ndarray, str]:
    try:
        _check_pixels(*deep_png.size(data), max_pixels)
        if PNG_END not in data:
            raise ValueError("image file is truncated (its end is missing)")
        values = deep_png.deep_values(data)
    except MemoryError:
        raise
    except Exception as error:  # a decoder raises whatever it stumbles over
        raise ValueError(str(error) or type(error).__name__) from error
    return values, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[values.shape[2]]


def _tiff(data: bytes, form: Form, max_pixels: int) -> tuple[np.ndarray, str | None] | None:
    found = tiff.pages(data)
    first = next(found, None)
    if first is None or first.dtype is None:
        return None
    _check_pixels(first.width, first.height, max_pixels)
    if form.stacks_pages and first.samples == 1:
        return _stacked([first, *found], form), None
    pillow = (
        form.mode in ("L", "RGB") or first.colors is not None
        if not first.deep
        else first.samples == 1 and not form.is_declared
    )
    if pillow or first.compression not in tiff.UNPACKED:
        return None
    if first.is_premultiplied:
        raise ValueError(
            "its colors are multiplied by their opacity, which is not supported for these values"
        )
    values, colors = first.values(), first.colors
    if first.photometric == tiff.RGB and form.mode in ("L", "RGB") and colors is None:
        return values[..., :3], "RGB"  # what else there is has no meaning to the network
    return (_inverted(values, form) if first.photometric == tiff.INVERTED else values), colors


def _has_bands(data: bytes) -> bool:
    """Whether it is a TIFF file of bytes of which Pillow has no mode."""
    page = next(tiff.pages(data), None) if tiff.is_tiff(data) else None
    return page is not None and page.dtype is not None and page.colors is None and page.samples > 1


def page_kinds(data: bytes) -> list[tuple]:
    """Height, width, values a pixel and type of each page of a TIFF file; none of another file."""
    found = tiff.pages(data) if tiff.is_tiff(data) else ()
    return [_kind(page) for page in found]


def _kind(page: tiff.Page) -> tuple:
    return page.height, page.width, page.samples, page.dtype


def _stacked(pages: list[tiff.Page], form: Form) -> np.ndarray:
    """Pages of one value a pixel as channels."""
    kinds = {_kind(page) for page in pages}
    if len(pages) != form.channels or len(kinds) > 1:
        raise ValueError(
            f"it has {len(pages)} page{'s' * (len(pages) != 1)} of grey, and the network takes "
            f"{form.channels} channels: as many pages of one size and kind"
        )
    return np.concatenate([page.values() for page in pages], axis=2)


def _inverted(values: np.ndarray, form: Form) -> np.ndarray:
    """Of files whose 0 is white: so that 0 is black, in the range."""
    low, high = _ends(values, form)
    return (low + high - values.astype(np.float64)).astype(values.dtype)


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(f"{width} x {height} pixels are more than {max_pixels:,}")


def _picture(data: bytes, form: Form, max_pixels: int) -> Photograph:
    if form.mode in ("L", "RGB"):
        grey = _grey_of_odd_depth(data, max_pixels)
        return decode(data, max_pixels) if grey is None else grey
    return decode_colors(data, form.mode, form.channels, max_pixels)


def _grey_of_odd_depth(data: bytes, max_pixels: int) -> Photograph | None:
    """The picture of a TIFF file of one value a pixel whose type Pillow has no mode for; None of other files.

    It is scaled as those that Pillow reads are. ValueError where it is packed in a way that isn't read here.
    """
    page = next(tiff.pages(data), None) if tiff.is_tiff(data) else None
    if (
        page is None
        or page.dtype is None
        or page.samples != 1
        or page.dtype.newbyteorder("=") not in ODD_TYPES
    ):
        return None
    _check_pixels(page.width, page.height, max_pixels)
    kind = f"a TIFF file of {page.dtype.newbyteorder('=')} values"
    if page.compression not in tiff.UNPACKED:
        raise ValueError(f"{kind}, packed by compression {page.compression}, is not read")
    values = page.values()[..., 0].astype(np.float32)
    return scaled_grey(-values if page.photometric == tiff.INVERTED else values)


def _ends(values: np.ndarray, form: Form) -> tuple[float, float]:
    """What becomes 0 and what becomes 1."""
    if values.dtype.kind == "f":
        return form.value_range or (0.0, 1.0)
    if form.value_max is not None:
        return 0.0, float(form.value_max)
    if form.value_range is not None:
        return form.value_range
    return 0.0, float(depth_max(values.max().item()) if values.dtype == np.uint16 else LEVELS)


def _outside(dtype: np.dtype, least: float, most: float, form: Form) -> str:
    found = f"its values go from {least:g} to {most:g}"
    if dtype.kind != "f" and form.value_max is not None:
        return f"{found}, outside of 0 to {form.value_max} (--value-max)"
    if form.value_range is not None:
        return f"{found}, outside of {form.value_range[0]:g} to {form.value_range[1]:g} (--value-range)"
    return f"{found}: say which value is black and which is white with --value-range=LOW,HIGH"
