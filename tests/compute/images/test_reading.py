"""From a file's bytes to what a network of any number of channels takes of it."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from compute.images.decoding import decoded_size
from compute.images.loading import read_picture
from compute.images.preprocessing import Preprocessing
from compute.images.raster import PAGES, Raster, shown
from compute.images.reading import Form, check_readable, read
from compute.images.sources import Item
from compute.images.survey import survey, with_survey
from compute.runtime.room import Room
from tests.compute.images.test_formats import BANDS, npy, tiff_file

RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (24, 31, 3), dtype=np.uint8)


def file_of(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture(mode: str = "RGB") -> Image.Image:
    image = Image.fromarray(RGB)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(RGB[..., 1]))
    return image if mode in ("RGB", "RGBA") else image.convert(mode)


def seen(data: bytes, form: Form) -> np.ndarray:
    """(H, W, C) in [0, 1], as a network of the image's own size sees it."""
    image = read(data, form)
    ours = Preprocessing(
        (image.height, image.width),
        None,
        (0.5,) * form.channels,
        (0.5,) * form.channels,
        colors=form.colors,
        value_max=form.value_max,
        value_range=form.value_range,
    )
    return ours.tensor(image).permute(1, 2, 0).numpy()


class TestPictures:
    def test_opacity_is_a_channel_where_the_network_takes_it(self):
        values = np.asarray(picture("RGBA")) / np.float32(255)
        assert np.array_equal(seen(file_of(picture("RGBA")), Form(4)), values)
        assert np.array_equal(seen(file_of(picture("RGBA")), Form(4, "RGBA")), values)
        assert seen(file_of(picture("RGBA")), Form(3)).shape == (24, 31, 3)

    def test_pictures_without_opacity_are_opaque_only_where_that_is_declared(self):
        assert (seen(file_of(picture("RGB")), Form(4, "RGBA"))[..., 3] == 1).all()
        with pytest.raises(ValueError, match=r"3 channels, and the network takes 4; with --channels RGBA"):
            read(file_of(picture("RGB")), Form(4))

    def test_grey_with_opacity(self):
        assert seen(file_of(picture("RGBA").convert("LA")), Form(2)).shape == (24, 31, 2)
        with pytest.raises(ValueError, match="the network takes 2; with --channels LA"):
            read(file_of(picture("L")), Form(2))

    def test_inks_must_be_declared(self):
        data = file_of(picture("CMYK"), "TIFF")
        values = np.asarray(picture("CMYK")) / np.float32(255)
        assert np.array_equal(seen(data, Form(4, "CMYK")), values)
        with pytest.raises(ValueError, match="declare --channels CMYK"):
            read(data, Form(4))
        with pytest.raises(ValueError, match="not CMYK"):
            read(file_of(picture("RGB")), Form(4, "CMYK"))

    def test_no_picture_has_five_channels(self):
        with pytest.raises(ValueError, match="3 channels, and the network takes 5"):
            read(file_of(picture("RGB")), Form(5))


class TestTiff:
    def test_bands_and_pages_are_channels(self):
        for values, options in ((BANDS, {"planarconfig": "contig"}), (np.moveaxis(BANDS, 2, 0), {})):
            found = seen(tiff_file(values, **options), Form(7, value_max=4095))
            assert np.array_equal(found, (BANDS / 4095).astype(np.float32))

    def test_a_network_of_3_channels_sees_the_first_page(self):
        assert isinstance(read(tiff_file(np.moveaxis(BANDS[..., :3], 2, 0)), Form(3)), Image.Image)

    def test_three_pages_are_channels_where_that_is_declared(self):
        pages = np.moveaxis(BANDS[..., :3], 2, 0)
        found = seen(tiff_file(pages), Form(3, PAGES, value_max=4095))
        assert np.array_equal(found, (BANDS[..., :3] / 4095).astype(np.float32))
        eight = (pages >> 4).astype(np.uint8)
        expected = np.moveaxis(eight, 0, 2) / np.float32(255)
        assert np.array_equal(seen(tiff_file(eight), Form(3, PAGES)), expected)
        for number in (1, 2):
            with pytest.raises(ValueError, match=f"{number} pages? of grey, and the network takes 3"):
                read(tiff_file(pages[:number]), Form(3, PAGES))
        colors = picture("RGB")
        assert np.array_equal(np.asarray(read(file_of(colors), Form(3, PAGES))), np.asarray(colors))

    def test_another_number_of_pages_is_refused(self):
        with pytest.raises(ValueError, match="7 pages of grey, and the network takes 5 channels"):
            read(tiff_file(np.moveaxis(BANDS, 2, 0)), Form(5))
        with pytest.raises(ValueError, match="7 channels, and the network takes 5"):
            read(tiff_file(BANDS, planarconfig="contig"), Form(5))

    def test_white_that_is_0_is_turned_round(self):
        grey = BANDS[..., 0]
        found = seen(tiff_file(grey, photometric="miniswhite"), Form(1, value_max=4095))
        assert np.array_equal(found[..., 0], ((4095 - grey.astype(int)) / 4095).astype(np.float32))

    def test_rgb_of_16_bits_with_a_fourth_band(self):
        values = tiff_file(
            BANDS[..., :4], photometric="rgb", planarconfig="contig", extrasamples=["unspecified"]
        )
        rgb = (BANDS[..., :3] / 4095).astype(np.float32)
        assert np.array_equal(seen(values, Form(3, value_max=4095)), rgb)
        assert seen(values, Form(4, value_max=4095)).shape == (37, 53, 4)

    def test_premultiplied_colors_of_16_bits_are_refused(self):
        options = {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["assocalpha"]}
        with pytest.raises(ValueError, match="multiplied by their opacity"):
            read(tiff_file(BANDS[..., :4], **options), Form(4, "RGBA"))


class TestValues:
    def test_twelve_bits_in_sixteen(self):
        """Never nearly black, declared or not."""
        grey, rgb = BANDS[..., 0], BANDS[..., :3]
        wanted = (grey / 4095).astype(np.float32)
        for data in (tiff_file(grey), cv2.imencode(".png", grey)[1].tobytes()):
            assert np.array_equal(seen(data, Form(1, value_max=4095))[..., 0], wanted)
            assert np.abs(seen(data, Form(1))[..., 0] - wanted).max() <= 0.5 / 255 + 1e-6
        png = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
        assert np.array_equal(seen(png, Form(3, value_max=4095)), (rgb / 4095).astype(np.float32))

    def test_sixteen_bits_keep_their_precision(self):
        grey = RNG.integers(30000, 30100, (8, 9), dtype=np.uint16)
        found = seen(tiff_file(grey), Form(1, value_max=65535))
        assert np.array_equal(found[..., 0], (grey / 65535).astype(np.float32))

    def test_a_declared_range_of_decimal_numbers(self):
        decibel = RNG.uniform(-80, 0, (24, 60)).astype(np.float32)
        found = seen(npy(decibel), Form(1, value_range=(-80, 0)))
        np.testing.assert_allclose(found[..., 0], (decibel + 80) / 80, atol=1e-6)
        with pytest.raises(ValueError, match=r"from -7\S* to -0\.0\S*: .* --value-range=LOW,HIGH"):
            read(npy(decibel), Form(1))
        with pytest.raises(ValueError, match=r"outside of -50 to 0 \(--value-range\)"):
            read(npy(decibel), Form(1, value_range=(-50, 0)))

    def test_values_above_the_declared_white_are_refused(self):
        with pytest.raises(ValueError, match=r"from \d+ to \d+, outside of 0 to 1023 \(--value-max\)"):
            read(tiff_file(BANDS[..., 0]), Form(1, value_max=1023))

    def test_arrays_of_bytes_truth_values_and_numbers_up_to_255(self):
        values = RGB / np.float32(255)
        assert np.array_equal(seen(npy(RGB), Form(3)), values)
        assert np.array_equal(seen(npy(np.moveaxis(RGB, 2, 0)), Form(3)), values)
        assert np.array_equal(seen(npy(RGB.astype(np.int64)), Form(3)), values)
        assert np.array_equal(seen(npy(RGB > 127), Form(3)), (RGB > 127).astype(np.float32))
        assert np.array_equal(seen(npy(values), Form(3)), values)

    def test_grey_arrays_are_grey_pictures_for_a_network_of_3_channels(self):
        found = seen(npy(RGB[..., 0]), Form(3))
        assert np.array_equal(found, (RGB[..., :1] / np.float32(255)).repeat(3, 2))

    def test_no_number_is_no_value(self):
        with pytest.raises(ValueError, match="not finite"):
            read(npy(np.full((3, 4), np.nan)), Form(1))


@pytest.mark.parametrize(
    "data", [npy(BANDS), tiff_file(BANDS, planarconfig="contig"), file_of(picture("CMYK"), "TIFF")]
)
def test_any_image_may_be_uploaded(data):
    check_readable(data)
    with pytest.raises(ValueError, match="pixels are more than 100"):
        check_readable(data, 100)


def test_what_is_no_image_may_not():
    with pytest.raises(ValueError, match="not an image"):
        check_readable(b"no image")


class TestShown:
    def test_transparent_parts_lie_on_white(self):
        clear = Image.new("RGBA", (2, 1), (10, 20, 30, 0))
        assert np.array(shown(clear)).tolist() == [[[255] * 3] * 2]

    def test_bands_without_a_meaning(self):
        values = RGB[..., [0, 1, 2, 0, 1]]
        assert np.array_equal(np.array(shown(Raster(values))), RGB)
        assert np.array_equal(np.array(shown(Raster(values[..., :2]))), RGB[..., [0, 1, 1]])
        assert shown(Raster(RGB[..., :1])).mode == "L"

    def test_a_tensor(self):
        ours = Preprocessing((1, 1), None, (0.5,) * 4, (0.5,) * 4, colors="RGBA")
        assert ours.shown(torch.tensor([0.2, 0.4, 0.6, 0.5]).view(4, 1, 1))[0, 0] == pytest.approx(
            [0.6, 0.7, 0.8]
        )
        inks = Preprocessing((1, 1), None, (0.5,) * 4, (0.5,) * 4, colors="CMYK")
        assert inks.shown(torch.tensor([1.0, 0.0, 0.5, 0.5]).view(4, 1, 1))[0, 0] == pytest.approx(
            [0, 0.5, 0.25]
        )


class TestSurvey:
    def found(self, files: list[bytes], form: Form):
        return survey(lambda name: files[int(name)], list(map(str, range(len(files)))), form)

    def test_the_bits_that_are_filled(self):
        dark, bright = BANDS[..., 0] // 8, BANDS[..., 0]
        assert self.found([tiff_file(dark), tiff_file(bright)], Form(1)).value_max == 4095
        assert self.found([tiff_file(dark)], Form(1)).value_max == 1023 or dark.max() < 512
        assert self.found([npy(bright.astype(np.int64))], Form(1)).value_max == 4095
        assert self.found([file_of(picture())], Form(3)) == self.found([], Form(3))

    def test_nothing_is_found_out_that_is_declared(self):
        assert self.found([tiff_file(BANDS[..., 0])], Form(1, value_max=65535)).value_max is None
        assert self.found([npy(np.full((3, 4), -5.0))], Form(1, value_range=(-9, 0))).value_max is None

    def test_opacity(self):
        found = self.found([file_of(picture("RGB")), file_of(picture("RGBA"))], Form(4))
        ours = with_survey(Preprocessing((8, 8), None, (0.5,) * 4, (0.5,) * 4), found)
        assert ours.colors == "RGBA" and "RGBA" in found.notes[0]
        assert self.found([file_of(picture("RGBA"))], Form(3)).colors is None

    def test_three_grey_pages_are_the_channels_where_all_files_have_them(self):
        pages, two = (tiff_file(np.moveaxis(BANDS[..., :number], 2, 0)) for number in (3, 2))
        found = self.found([pages, pages], Form(3, value_max=4095))
        assert found.colors == PAGES and "--channels RGB" in found.notes[0]
        assert self.found([pages], Form(3, "RGB", value_max=4095)).colors is None
        assert self.found([pages], Form(7, value_max=4095)).notes == ()
        for files, form in (
            ([pages, two], Form(3)),
            ([file_of(picture()), pages], Form(3)),
            ([two], Form(1)),
        ):
            found = self.found(files, form)
            assert found.colors is None
            assert any("several pages" in note and "first page is the image" in note for note in found.notes)

    def test_a_range_that_only_a_person_knows(self):
        with pytest.raises(ValueError, match=r"values of 0 go from -5 to -5: .*--value-range=LOW,HIGH"):
            self.found([npy(np.full((3, 4), -5.0))], Form(1))

    def test_what_can_not_be_read_says_nothing(self):
        assert self.found([b"no image", npy(BANDS)[:50]], Form(7)).notes == ()


def test_a_reason_is_the_same_each_time(monkeypatch):
    def stumbling(self, data):
        raise ValueError(f"cannot identify image file {io.BytesIO(data)!r}")

    class One:
        def read(self, path):
            return b"data"

    monkeypatch.setattr(Preprocessing, "read", stumbling)
    preprocessing = Preprocessing((8, 8), None, (0.5,), (0.5,))
    assert read_picture(One(), Item("a.tif"), preprocessing).reason == "cannot identify image file its bytes"


def test_decoded_pictures_have_room_for_so_many_bytes_at_a_time():
    room, held, most = Room(100), [0], []
    changes = threading.Lock()

    def decode(size):
        with room.taking(size):
            with changes:
                held[0] += min(size, 100)
                most.append(held[0])
            time.sleep(0.005)
            with changes:
                held[0] -= min(size, 100)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(decode, [40, 60, 10, 500, 30, 90] * 8))
    assert max(most) == 100 and held == [0]


@pytest.mark.slow
def test_a_pictures_size_is_known_before_it_is_decoded():
    large = Image.new("RGB", (9000, 9000))
    assert decoded_size(file_of(large)) == 5 * 9000 * 9000
    assert decoded_size(b"no picture") == 10
