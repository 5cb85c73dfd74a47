"""Image sources and decoding: what is listed, in which order, and what becomes of unusual files."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from compute.images import decoding
from compute.images.decoding import decode
from compute.images.sources import LARGEST_BYTES, Item, Unread, class_names, open_source, sample
from compute.images.sources.folders.folder_source import FolderSource
from compute.images.sources.labels import said_of_labels
from compute.runtime.notices import Notice
from compute.runtime.vision import datasets
from tests.support.pictures import encoded, noise


def put(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encoded(noise()))


def huge_png(width, height):
    """A PNG of a few bytes that claims width x height pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


class TestFolder:
    def test_sub_folders_are_classes(self, tmp_path):
        put(
            tmp_path,
            "dog/b.png",
            "cat/sub/a.JPG",
            "dog/a.jpeg",
            "rootless.png",
            ".hidden/x.png",
            "cat/.y.png",
        )
        (tmp_path / "dog" / "notes.txt").write_text("no image")
        source = open_source(str(tmp_path))
        assert source.items == (
            Item("cat/sub/a.JPG", "cat"),
            Item("dog/a.jpeg", "dog"),
            Item("dog/b.png", "dog"),
            Item("rootless.png"),
        )
        assert class_names(source.items) == ("cat", "dog")
        assert source.read("dog/b.png") == (tmp_path / "dog/b.png").read_bytes()

    def test_arrays_beside_pictures_are_left_out_and_said(self, tmp_path):
        put(tmp_path, "cat/1.png")
        for name in ("dog/1.npy", "dog/2.npy"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            np.save(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
        with pytest.warns(Notice, match=r"2 arrays beside the pictures in .* \(such as dog/1.npy\) left out"):
            assert [item.path for item in open_source(str(tmp_path)).items] == ["cat/1.png"]
        (tmp_path / "cat/1.png").unlink()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert class_names(open_source(str(tmp_path)).items) == ("dog",)

    def test_first_folders_that_are_splits(self, tmp_path):
        put(tmp_path, "train/dog/1.png", "test/cat/1.png", "val/1.png")
        assert open_source(str(tmp_path)).items == (
            Item("test/cat/1.png", "cat", "test"),
            Item("train/dog/1.png", "dog", "train"),
            Item("val/1.png", None, "val"),
        )

    def test_a_class_beside_a_split_makes_all_classes(self, tmp_path):
        put(tmp_path, "train/1.png", "plane/1.png")
        assert class_names(open_source(str(tmp_path)).items) == ("plane", "train")

    def test_linked_folders_are_followed_once(self, tmp_path):
        put(tmp_path / "images", "cat/1.png")
        (tmp_path / "images" / "cat" / "again").symlink_to(tmp_path / "images")
        assert [item.path for item in open_source(str(tmp_path / "images")).items] == ["cat/1.png"]

    def test_names_that_are_not_utf8_are_listed_and_fail_to_read(self, tmp_path):
        import os

        put(tmp_path, "1.png")
        os.rename(tmp_path / "1.png", os.fsencode(tmp_path) + b"/\xff.png")
        (item,) = open_source(str(tmp_path)).items
        assert item.path == r"\xff.png"
        with pytest.raises(ValueError, match="no file"):
            open_source(str(tmp_path)).read(item.path)

    @pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "cat/../../secret.png", "none.png"])
    def test_nothing_outside_is_read(self, tmp_path, path):
        put(tmp_path, "secret.png", "images/cat/1.png")
        with pytest.raises(ValueError, match=r"does not lie in|no file"):
            open_source(str(tmp_path / "images")).read(path)

    def test_a_file_that_is_too_large_is_not_read(self, tmp_path):
        put(tmp_path, "small.png", "large.png")
        os.truncate(tmp_path / "large.png", LARGEST_BYTES + 1)
        source = FolderSource(tmp_path)
        assert source.read("small.png")
        with pytest.raises(ValueError, match=r"'large.png' has 1,073,741,825 bytes, more than"):
            source.read("large.png")

    def test_what_says_that_it_has_no_bytes_is_not_read(self, tmp_path):
        """As files below /proc do, which go on without end, or make their reader wait."""
        if not os.path.exists("/proc/self/maps"):
            pytest.skip("this system makes up no files")
        (tmp_path / "made_up.png").symlink_to("/proc/self/maps")
        os.mkfifo(tmp_path / "pipe.png")
        source = FolderSource(tmp_path)
        assert source.read("made_up.png") == b""
        with pytest.raises(ValueError, match="no file"):
            source.read("pipe.png")

    def test_errors_say_what_was_found_and_what_is_accepted(self, tmp_path):
        with pytest.raises(ValueError, match=r"no folder .*'demo'"):
            open_source(str(tmp_path / "none"))
        with pytest.raises(ValueError, match="it is empty"):
            _ = open_source(str(tmp_path)).items
        for name in ("a.txt", "b.txt", "c.csv"):
            (tmp_path / name).write_text("text")
        with pytest.raises(ValueError, match=r"3 files \(2 .txt, 1 .csv\); accepted are .jpg"):
            _ = open_source(str(tmp_path)).items


class TestSample:
    items = tuple(
        Item(f"{label}/{index:03d}.png", label)
        for label, number in (("a", 60), ("b", 30), ("c", 10))
        for index in range(number)
    )

    def test_each_class_keeps_its_share(self):
        chosen = sample(self.items, 10, seed=0)
        assert [sum(item.label == label for item in chosen) for label in "abc"] == [6, 3, 1]
        assert list(chosen) == sorted(chosen, key=lambda item: item.path)

    def test_by_seed(self):
        assert sample(self.items, 20, 1) == sample(self.items[::-1], 20, 1) != sample(self.items, 20, 2)

    @pytest.mark.parametrize("limit", [1, 7, 33, 99])
    def test_exactly_the_limit(self, limit):
        assert len(set(sample(self.items, limit, 0))) == limit

    def test_no_limit_is_all_and_zero_is_an_error(self):
        assert len(sample(self.items, None, 0)) == len(sample(self.items, 1000, 0)) == 100
        with pytest.raises(ValueError, match="limit is 0"):
            sample(self.items, 0, 0)


class TestDemo:
    def test_digits(self):
        source = open_source("digits")
        assert len(source.items) == 1797 and {item.split for item in source.items} == {"train", "test"}
        assert decode(source.read(source.items[0].path)).size == (32, 32)
        with pytest.raises(ValueError, match="no image"):
            source.read("../1.png")


class TestTorchvision:
    @pytest.fixture
    def mnist(self, tmp_path, monkeypatch):
        """A tiny data set in MNIST's own files, where torchvision looks for them."""
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        raw = tmp_path / "datasets" / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name, number in (("train", 3), ("t10k", 2)):
            pixels = np.arange(number * 784, dtype=np.uint8)
            labels = np.arange(number, dtype=np.uint8)
            (raw / f"{name}-images-idx3-ubyte").write_bytes(
                struct.pack(">4i", 2051, number, 28, 28) + pixels.tobytes()
            )
            (raw / f"{name}-labels-idx1-ubyte").write_bytes(
                struct.pack(">2i", 2049, number) + labels.tobytes()
            )

    def test_files_that_are_there(self, mnist):
        source = open_source("torchvision:FashionMNIST")
        assert source.items[0] == Item("test/T-shirt-top/00000.png", "T-shirt-top", "test")
        assert [item.split for item in source.items] == ["test"] * 2 + ["train"] * 3
        pixels = np.asarray(decode(source.read("train/Pullover/00002.png")))
        assert (pixels.reshape(-1) == np.arange(2 * 784, 3 * 784).astype(np.uint8)).all()
        with pytest.raises(ValueError, match="no image"):
            source.read("train/Pullover/00003.png")

    def test_no_network(self, monkeypatch, tmp_path):
        def offline(*_, **__):
            raise OSError("<urlopen error [Errno -3] Temporary failure in name resolution>")

        monkeypatch.setattr(datasets, "CIFAR10", offline)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        with pytest.raises(ValueError, match=f"no network: download it elsewhere .* in {tmp_path}"):
            open_source("torchvision:CIFAR10")

    def test_unknown(self):
        with pytest.raises(ValueError, match="'ImageNet'; choose from CIFAR10, "):
            open_source("torchvision:ImageNet")


class TestDecode:
    def test_photograph(self):
        assert np.array_equal(decode(encoded(noise())), noise())

    @pytest.mark.parametrize("orientation, turn", [(3, 180), (6, -90), (8, 90)])
    def test_exif_rotation(self, orientation, turn):
        exif = Image.Exif()
        exif[0x0112] = orientation
        shown = decode(encoded(noise(), exif=exif))
        assert np.array_equal(shown, noise().rotate(turn, expand=True))

    def test_16_bits_are_scaled(self):
        values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
        for format in ("PNG", "TIFF", "PPM"):
            shown = decode(encoded(Image.fromarray(values), format))
            assert shown.mode == "L" and np.asarray(shown).tolist() == [[0, 1, 128, 255]], format

    @pytest.mark.parametrize(
        "values, expected",
        [
            ([0.0, 0.5, 1.0], [0, 128, 255]),
            ([0.0, 127.6, 200.0], [0, 128, 200]),
            ([-2.0, 0.0, 2.0], [0, 128, 255]),
            ([3e6, 3e6, 3e6], [0, 0, 0]),
        ],
    )
    def test_floats_are_scaled(self, values, expected):
        shown = decode(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
        assert np.asarray(shown).tolist() == [expected]

    def test_32_bit_integers_are_scaled(self):
        shown = decode(encoded(Image.fromarray(np.array([[-100, 0, 300_000]], np.int32)), "TIFF"))
        assert np.asarray(shown).tolist() == [[0, 0, 255]]

    def test_transparent_parts_lie_on_white(self):
        image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
        image.putpixel((1, 0), (0, 0, 0, 0))
        for each in (image, image.convert("LA"), image.quantize(4)):
            shown = decode(encoded(each))
            assert shown.mode == "RGB" and shown.getpixel((1, 0)) == (255, 255, 255), each.mode

    def test_cmyk_palette_and_bilevel(self):
        assert decode(encoded(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF")).getpixel((0, 0)) == (
            255,
            0,
            0,
        )
        assert np.array_equal(decode(encoded(noise().quantize(256))), noise().quantize(256).convert("RGB"))
        assert decode(encoded(Image.new("1", (3, 2), 1))).getpixel((2, 1)) == 255

    def test_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
        assert decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).getpixel(
            (0, 0)
        ) == (255, 0, 0)

    def test_extreme_shapes(self):
        assert decode(encoded(Image.new("RGB", (1, 1), "red"))).size == (1, 1)
        assert decode(encoded(Image.new("L", (30_000, 1)))).size == (30_000, 1)

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
    def test_truncated_files_are_errors(self, format):
        data = encoded(noise(64, 64), format)
        for length in (0, 3, len(data) // 2, len(data) * 9 // 10):
            with pytest.raises(ValueError):
                decode(data[:length])

    def test_a_png_that_was_cut_anywhere_is_an_error(self):
        """Also behind its last pixel, and in its second frame."""
        frames = [noise(16, 16), noise(16, 16).rotate(90)]
        for data in (encoded(frames[0]), encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])):
            decode(data)
            decode(data + b"more")
            for length in range(len(data)):
                with pytest.raises(ValueError):
                    decode(data[:length])

    def test_other_formats_are_refused(self):
        for data in (b"just text", encoded(noise(), "PDF"), encoded(noise(), "TGA")):
            with pytest.raises(ValueError, match="none of JPEG"):
                decode(data)

    def test_pixels_are_limited_before_they_are_decoded(self):
        for width, height in ((10_001, 10_000), (13_000, 13_000), (60_000, 60_000)):
            with pytest.raises(ValueError, match="pixels"):
                decode(huge_png(width, height))
        assert decoding.MAX_PIXELS == 100_000_000


class TestContent:
    """A file is an image by its first bytes where its name says nothing."""

    @pytest.mark.parametrize(
        "name, form",
        [
            ("a.jfif", "JPEG"), ("a.jpe", "JPEG"), ("a.avif", "AVIF"), ("a.jp2", "JPEG2000"), ("a", "PNG"),
            ("a.img", "WEBP"), ("a.jpg_large", "JPEG"), ("a.0001", "BMP"), ("a.x", "GIF"), ("a.scan", "TIFF"),
            ("a.pnm", "PPM"), ("a.grey", "PPM"),
        ],
    )  # fmt: skip
    def test_one_photograph_under_many_names(self, tmp_path, name, form):
        picture = noise()
        picture.save(tmp_path / name, format=form)
        source = open_source(str(tmp_path))
        assert [item.path for item in source.items] == [name]
        assert decode(source.read(name)).size == picture.size

    def test_what_is_left_out_is_counted_and_named(self, tmp_path):
        put(tmp_path, "cat/1.png")
        for name in ("cat/notes.txt", "cat/more.txt", "raw.nef", "clip.mp4", "odd"):
            (tmp_path / name).write_bytes(b"II*\0 and no image")
        (tmp_path / "odd").write_bytes(b"no image")
        with pytest.warns(Notice, match=r"5 files left out .* 2 \.txt, .*, such as cat/more\.txt") as said:
            assert [item.path for item in open_source(str(tmp_path)).items] == ["cat/1.png"]
        assert "1 .nef" in str(said[0].message) and "1 no extension" in str(said[0].message)

    def test_a_pipe_without_an_ending_is_not_waited_for(self, tmp_path):
        put(tmp_path, "1.png")
        os.mkfifo(tmp_path / "pipe")
        assert [item.path for item in FolderSource(tmp_path).items] == ["1.png"]


class TestSplits:
    def test_a_further_folder_of_the_same_classes_is_a_split(self, tmp_path):
        put(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "extra/dog/1.png")
        items = open_source(str(tmp_path)).items
        assert {(item.split, item.label) for item in items} == {
            ("train", "cat"), ("train", "dog"), ("val", "cat"), ("extra", "dog"),
        }  # fmt: skip

    @pytest.mark.parametrize(
        "paths",
        [
            ("train/1.png", "cat/1.png"),
            ("train/red/1.png", "test/red/1.png", "cat/1.png"),
            ("train/red/1.png", "test/red/1.png", "cat/black/1.png"),
            ("train/red/1.png", "cat/red/1.png"),
        ],
    )
    def test_a_class_may_be_called_train(self, tmp_path, paths):
        put(tmp_path, *paths)
        assert "train" in class_names(open_source(str(tmp_path)).items)

    def test_other_words_for_splits(self, tmp_path):
        put(tmp_path, "Train/cat/1.png", "dev/cat/1.png", "eval/cat/1.png")
        assert class_names(open_source(str(tmp_path)).items) == ("cat",)

    def test_an_empty_folder_may_be_a_class(self, tmp_path):
        put(tmp_path, "a/1.png", "c/1.png")
        (tmp_path / "b").mkdir()
        source = open_source(str(tmp_path))
        assert source.classes == ("a", "c") and source.further_classes == ("a", "b", "c")
        put(tmp_path / "in", "train/a/1.png", "test/a/1.png")
        (tmp_path / "in" / "train" / "b").mkdir()
        assert open_source(str(tmp_path / "in")).further_classes == ("a", "b")

    def test_what_was_taken_for_what(self):
        items = [Item("1", "cat", "train"), Item("2", "dog", "val")]
        assert said_of_labels(items, ("cat", "dog")) == [
            "taken for splits: train, val",
            "taken for labels: cat, dog",
        ]
        (*_, line) = said_of_labels(items, ("cat", "eel"))
        assert line.startswith("1 of 2 labels are none of the network's 2 classes (cat, eel)")
        assert said_of_labels([Item("1")], ("cat",)) == [
            "no image has a label: no folder, list or column says any"
        ]

    def test_one_form_of_unicode(self, tmp_path):
        put(tmp_path, "train/caf\u00e9/1.png", "test/cafe\u0301/1.png")
        source = open_source(str(tmp_path))
        assert class_names(source.items) == ("caf\u00e9",)
        assert all(source.read(item.path) for item in source.items)


class TestWalk:
    @pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
    @pytest.mark.parametrize("target", ["a", "b"])
    def test_the_order_in_which_folders_were_made_has_no_say(self, tmp_path, order, target):
        for name in order:
            (tmp_path / name).mkdir()
            put(tmp_path, f"{name}/1.png")
        other = "b" if target == "a" else "a"
        (tmp_path / other / "0other").symlink_to(f"../{target}")
        with pytest.warns(Notice, match=rf"1 link leads to a folder .*\({other}/0other\)"):
            assert [item.path for item in FolderSource(tmp_path).items] == ["a/1.png", "b/1.png"]

    def test_links_to_each_other_up_and_outside(self, tmp_path):
        root, outside = tmp_path / "images", tmp_path / "outside"
        put(root, "a/1.png")
        put(outside, "deep/2.png")
        (root / "up").symlink_to("..")
        (root / "a" / "self").symlink_to(".")
        (root / "z").symlink_to(outside / "deep")
        (root / "out").symlink_to(outside)
        (outside / "back").symlink_to(root)
        with pytest.warns(Notice, match=r"4 links lead .*a/self, out/back, up, z"):
            assert [item.path for item in FolderSource(root).items] == ["a/1.png", "out/deep/2.png"]

    def test_a_folder_that_cannot_be_listed_is_a_problem(self, tmp_path, monkeypatch):
        put(tmp_path, "a/1.png", "b/1.png", "c/deep/1.png", "c/1.png")
        closed = {str(tmp_path / "b"), str(tmp_path / "c" / "deep")}
        scan = os.scandir

        def scandir(path):
            if str(path) in closed:
                raise PermissionError(13, "Keine Berechtigung", str(path))
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)
        source = FolderSource(tmp_path)
        with pytest.warns(Notice, match=r"2 folders can't be listed: .*\(b, c/deep\)"):
            assert source.items == (
                Item("a/1.png", "a"), Item("b", "b"), Item("c/1.png", "c"), Item("c/deep", "c"),
            )  # fmt: skip
        with pytest.raises(Unread) as error:
            source.read("b")
        assert error.value.reason.startswith("a folder that can't be listed (it may not be read)")

    @pytest.mark.parametrize(
        "make, reason",
        [
            (lambda path: path.symlink_to("/nowhere"), "there is no such file"),
            (lambda path: path.symlink_to(path.name), "its links lead in a circle"),
            (os.mkfifo, "it is no ordinary file"),
            (lambda path: path.mkdir(), "it is a folder"),
            (lambda path: (path.touch(), os.truncate(path, LARGEST_BYTES + 1)), "it has 1,073,741,825 bytes"),
        ],
    )
    def test_why_bytes_cannot_be_had_names_no_place(self, tmp_path, make, reason):
        make(tmp_path / "x.png")
        with pytest.raises(Unread) as error:
            FolderSource(tmp_path).read("x.png")
        assert error.value.reason.startswith(reason) and "/" not in error.value.reason
