"""Images as NumPy arrays: .npy files, and .npz files that hold one array."""

import io
import math
import zipfile

import numpy as np

EXTENSIONS = (".npy", ".npz")
NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"
KINDS = "buif"
"""Of NumPy: truth values, whole numbers with and without a sign, decimal numbers."""

MAX_BYTES = 2**30
MOST_AXES = 3


def is_array(data: bytes) -> bool:
    return data.startswith((NPY, NPZ))


def array(data: bytes) -> np.ndarray:
    """The array of a .npy file, or the only one of a .npz file, with two or three axes.

    Raises ValueError with the reason for what is damaged, has another number of axes, is larger than a
    gigabyte, holds anything but numbers, or several arrays."""
    content = _member(data) if data.startswith(NPZ) else data
    try:
        stream = io.BytesIO(content)
        shape, dtype = _header(stream)
        _check(shape, dtype)
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:  # NumPy reads the header as Python, and raises whatever that does
        raise ValueError(f"the array can't be read: {error}") from error


def channels_last(values: np.ndarray, channels: int) -> np.ndarray:
    """(H, W), (H, W, C) or (C, H, W) as (H, W, C) with C = `channels`, or 1 where there is no such axis.

    Which axis is the channels' is told by its length. Raises ValueError where no axis has that length, or
    both the first and the last."""
    if values.ndim == 2:
        return values[:, :, None]
    first, last = values.shape[0], values.shape[2]
    wanted = [channels] if {first, last} & {channels} else [1]
    at = [axis for axis, length in ((0, first), (2, last)) if length in wanted]
    shape = " x ".join(map(str, values.shape))
    if not at:
        raise ValueError(
            f"an array of {shape} has {min(first, last)} channels at most, and the network takes {channels}"
        )
    if len(at) == 2:
        raise ValueError(
            f"in an array of {shape} the first or the last axis may be the channels: save it as a TIFF file "
            "with a page a channel"
        )
    return np.moveaxis(values, at[0], 2)


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _check(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) not in (2, MOST_AXES) or 0 in shape:
        raise ValueError(
            f"its shape is {shape}; an image is height x width, height x width x channels, or channels x "
            "height x width"
        )
    if dtype.kind not in KINDS:
        raise ValueError(f"it holds {dtype}, not numbers")
    if (size := math.prod(shape) * dtype.itemsize) > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {MAX_BYTES:,}")


def _member(data: bytes) -> bytes:
    """The one .npy file in a .npz file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) != 1:
                names = ", ".join(entry.filename.removesuffix(".npy") for entry in entries[:8])
                raise ValueError(f"it holds {len(entries)} arrays ({names}); an image is one")
            if entries[0].file_size > MAX_BYTES:
                raise ValueError(f"its array has {entries[0].file_size:,} bytes, more than {MAX_BYTES:,}")
            with archive.open(entries[0]) as file:
                return file.read(MAX_BYTES + 1)
    except MemoryError:
        raise
    except Exception as error:  # zipfile and its decompressors raise many kinds
        raise ValueError(f"the .npz file can't be read: {error}") from error
