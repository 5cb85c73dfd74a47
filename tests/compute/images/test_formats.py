"""Files whose values Pillow does not keep: TIFF of bands and pages, PNG of 16 bits a color, arrays."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from compute.images.formats import arrays, deep_png, tiff
from compute.images.reading import Form, read

RNG = np.random.default_rng(0)
BANDS = RNG.integers(0, 4096, (37, 53, 7), dtype=np.uint16)


def tiff_file(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"photometric": "minisblack", **options})
    return file.getvalue()


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


class TestTiff:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"tile": (16, 32)},
            {"compression": "zlib"},
            {"rowsperstrip": 5, "byteorder": ">"},
            {"bigtiff": True},
        ],
    )
    def test_bands_beside_each_other(self, options):
        (page,) = tiff.pages(tiff_file(BANDS, planarconfig="contig", **options))
        assert np.array_equal(page.values(), BANDS) and page.deep and page.colors is None

    @pytest.mark.parametrize("options", [{}, {"tile": (16, 16), "compression": "zlib"}])
    def test_bands_one_after_the_other(self, options):
        (page,) = tiff.pages(tiff_file(np.moveaxis(BANDS, 2, 0), planarconfig="separate", **options))
        assert np.array_equal(page.values(), BANDS)

    def test_pages(self):
        found = list(tiff.pages(tiff_file(np.moveaxis(BANDS, 2, 0))))
        assert np.array_equal(np.concatenate([page.values() for page in found], axis=2), BANDS)

    @pytest.mark.parametrize("predictor", [1, 2])
    @pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"])
    def test_compressions(self, compression, predictor):
        file = io.BytesIO()
        image = Image.fromarray(BANDS[..., 0])
        image.save(file, "TIFF", compression=compression, tiffinfo={tiff.PREDICTOR: predictor})
        (page,) = tiff.pages(file.getvalue())
        assert np.array_equal(page.values()[..., 0], BANDS[..., 0])

    def test_predicted_decimal_numbers(self):
        file, values = io.BytesIO(), RNG.normal(size=(20, 30)).astype(np.float32)
        Image.fromarray(values).save(
            file, "TIFF", compression="tiff_adobe_deflate", tiffinfo={tiff.PREDICTOR: 3}
        )
        (page,) = tiff.pages(file.getvalue())
        assert np.array_equal(page.values()[..., 0], values)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_as_pillow(self, orientation):
        file = io.BytesIO()
        picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
        picture.save(file, "TIFF", tiffinfo={tiff.ORIENTATION: orientation})
        (page,) = tiff.pages(file.getvalue())
        assert np.array_equal(page.values()[..., 0], np.asarray(ImageOps.exif_transpose(Image.open(file))))

    def test_what_the_channels_are(self):
        def colors(channels: int, **options) -> str | None:
            (page,) = tiff.pages(tiff_file(BANDS[..., :channels], planarconfig="contig", **options))
            return page.colors

        assert colors(3, photometric="rgb") == "RGB"
        assert colors(4, photometric="rgb", extrasamples=["unassalpha"]) == "RGBA"
        assert colors(4, photometric="rgb", extrasamples=["unspecified"]) is None
        assert colors(2, extrasamples=["unassalpha"]) == "LA" and colors(2) is None

    def test_a_strip_that_is_cut_short(self):
        whole = tiff_file(BANDS, planarconfig="contig")
        (page,) = tiff.pages(whole[:-1000])
        with pytest.raises(ValueError, match="truncated"):
            page.values()


class TestDeepPng:
    @pytest.mark.parametrize("channels, order", [(1, [0]), (3, [2, 1, 0]), (4, [2, 1, 0, 3])])
    def test_every_bit(self, channels, order):
        values = RNG.integers(0, 65536, (31, 17, channels), dtype=np.uint16)
        data = cv2.imencode(".png", values[..., order])[1].tobytes()
        assert deep_png.is_deep_png(data) and np.array_equal(deep_png.deep_values(data), values)

    def test_grey_with_opacity(self):
        values = RNG.integers(0, 65536, (9, 5, 2), dtype=np.uint16)
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
        parts = ((b"IHDR", struct.pack(">IIBBBBB", 5, 9, 16, 4, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
        data = deep_png.SIGNATURE + b"".join(
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in (*parts, (b"IEND", b""))
        )
        assert np.array_equal(deep_png.deep_values(data), values)

    def test_eight_bits_are_not_deep(self):
        file = io.BytesIO()
        Image.new("RGB", (3, 2)).save(file, "PNG")
        assert not deep_png.is_deep_png(file.getvalue())


class TestArrays:
    def test_npy_and_npz(self):
        packed = io.BytesIO()
        np.savez_compressed(packed, anything=BANDS)
        for data in (npy(BANDS), packed.getvalue()):
            assert arrays.is_array(data) and np.array_equal(arrays.array(data), BANDS)

    def test_the_channels_axis_is_told_by_its_length(self):
        first = np.moveaxis(BANDS, 2, 0)
        assert np.array_equal(arrays.channels_last(first, 7), BANDS)
        assert np.array_equal(arrays.channels_last(BANDS, 7), BANDS)
        assert arrays.channels_last(BANDS[..., 0], 3).shape == (37, 53, 1)
        assert arrays.channels_last(BANDS[None, ..., 0], 3).shape == (37, 53, 1)

    @pytest.mark.parametrize(
        "values, channels, words",
        [
            (np.zeros((4, 6, 4)), 4, "the first or the last axis may be the channels"),
            (np.zeros((9, 6, 5)), 4, "the network takes 4"),
        ],
    )
    def test_axes_that_do_not_fit(self, values, channels, words):
        with pytest.raises(ValueError, match=words):
            arrays.channels_last(values, channels)

    @pytest.mark.parametrize(
        "data, words",
        [
            (npy(np.zeros(3)), r"its shape is \(3,\)"),
            (npy(np.zeros((2, 0, 3))), "its shape is"),
            (npy(np.zeros((2, 3), complex)), "complex128"),
            (npy(np.array([["a"]])), "not numbers"),
            (npy(BANDS)[:-100], "can't be read"),
            (b"\x93NUMPY", "can't be read"),
            (b"PK\x03\x04 and no more", "can't be read"),
        ],
    )
    def test_what_is_no_image(self, data, words):
        with pytest.raises(ValueError, match=words):
            arrays.array(data)

    def test_several_arrays_in_one_file_are_named(self):
        packed = io.BytesIO()
        np.savez(packed, left=BANDS, right=BANDS)
        with pytest.raises(ValueError, match=r"2 arrays \(left, right\)"):
            arrays.array(packed.getvalue())

    def test_the_size_is_checked_before_anything_is_read(self, monkeypatch):
        monkeypatch.setattr(arrays, "MAX_BYTES", 1000)
        with pytest.raises(ValueError, match="more than 1,000"):
            arrays.array(npy(BANDS))


def plain_tiff(values):
    """A TIFF file of one value a pixel."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="minisblack")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "u4", "i4", "u8", "i8"])
def test_grey_tiff_files_of_every_depth_are_one_picture(kind):
    values = np.arange(64).reshape(8, 8) * 4
    for form in (Form(1), Form(3)):
        picture = read(plain_tiff(values.astype(kind)), form)
        assert np.array_equal(np.asarray(picture.convert("L")), values)


def test_decimal_numbers_up_to_one_are_the_whole_range():
    values = np.linspace(0, 1, 64).reshape(8, 8)
    shades = [np.asarray(read(plain_tiff(values.astype(kind)), Form(1)), int) for kind in ("f4", "f8", "f2")]
    assert shades[0].min() == 0 and shades[0].max() == 255
    assert np.abs(shades[0] - shades[1]).max() == 0 and np.abs(shades[0] - shades[2]).max() <= 1
    with pytest.raises(ValueError, match="not finite"):
        read(plain_tiff(np.full((4, 4), np.nan)), Form(3))
