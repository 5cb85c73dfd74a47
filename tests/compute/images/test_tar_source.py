"""Images in tar archives: where they lie, what WebDataset's files say of them, and what is hostile."""

import io
import json
import tarfile
import warnings
from pathlib import Path

import pytest

from compute.images.sources import Item, open_source
from compute.images.sources.tar import index
from compute.images.sources.tar.tar_source import shards
from compute.runtime.notices import Notice
from tests.support.pictures import encoded, noise

DATA = encoded(noise())
CAT = b"a cat, which is not the same"


def write(path, files, format=tarfile.PAX_FORMAT, odd=()):
    """files: bytes by name; odd: TarInfos without content."""
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in odd:
            archive.addfile(member)
    return str(path)


def packed(path, folder, as_name):
    with tarfile.open(path, "w") as archive:
        archive.add(folder, as_name)
    return str(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/1.png", "dog/2.png", "dog/deep/3.JPG", ".hidden/4.png", "dog/.5.png", "notes.txt"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(DATA + name.encode())
    return tmp_path / "photos"


@pytest.mark.parametrize("as_name", [".", "photos"])
def test_a_packed_folder_is_the_folder(folder, tmp_path, as_name):
    source, plain = open_source(packed(tmp_path / "photos.tar", folder, as_name)), open_source(str(folder))
    assert source.items == plain.items and source.columns == () and not source.numbered
    assert all(source.read(item.path) == plain.read(item.path) for item in plain.items)
    with pytest.raises(ValueError, match=r"no image .cat/2.png"):
        source.read("cat/2.png")


def test_a_class_folder_that_is_called_otherwise_stays(folder, tmp_path):
    source = open_source(packed(tmp_path / "other.tar", folder / "cat", "cat"))
    assert source.items == (Item("cat/1.png", "cat"),)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_archive(tmp_path, format):
    deep = "cat/" + "d" * 90 + "/" + "n" * 90 + ".png"
    names = (
        [deep] if format == tarfile.USTAR_FORMAT else [deep, "kätze/größe.png", "cat/" + "x" * 300 + ".png"]
    )
    path = write(tmp_path / "a.tar", {name: DATA + name.encode() for name in names}, format)
    source = open_source(path)
    assert {item.path for item in source.items} == set(names)
    assert all(source.read(name) == DATA + name.encode() for name in names)


def test_shards_are_one_source(tmp_path):
    for number, name in enumerate(("cat/1.png", "dog/2.png")):
        write(tmp_path / f"s-{number:03}.tar", {name: DATA})
    source = open_source(str(tmp_path / "s-{000..001}.tar"))
    assert source.items == (Item("cat/1.png", "cat"), Item("dog/2.png", "dog"))
    # Names that occur in several shards are told apart by the shard.
    write(tmp_path / "s-001.tar", {"cat/1.png": CAT})
    source = open_source(str(tmp_path / "s-{000..001}.tar"))
    assert source.items == (Item("s-000.tar/cat/1.png", "cat"), Item("s-001.tar/cat/1.png", "cat"))
    assert source.read("s-001.tar/cat/1.png") == CAT
    assert open_source(str(tmp_path / "s-{000,001}.tar")).items == source.items


def test_braces(tmp_path):
    for name in ("a-8.tar", "a-9.tar", "a-10.tar", "b-8.tar"):
        write(tmp_path / name, {})
    assert [each.rpartition("/")[2] for each in shards(str(tmp_path / "a-{8..10}.tar"))] == [
        "a-8.tar",
        "a-9.tar",
        "a-10.tar",
    ]
    with pytest.raises(ValueError, match=r"no archive '.*b-9.tar'"):
        open_source(str(tmp_path / "{a,b}-{8..9}.tar"))
    with pytest.raises(ValueError, match="counts nothing"):
        open_source(str(tmp_path / "{9..1}.tar"))
    for name in ("{0..999999999999}.tar", "{0..9999}{0..9999}.tar", "{,}" * 5000 + ".tar"):
        with pytest.raises(ValueError, match="more than 100,000"):
            shards(name)
    with pytest.raises(ValueError, match="more than 20 digits"):
        shards("{" + "0" * 4000 + "..90000}.tar")
    with pytest.raises(ValueError, match="paths of more than 1,000 letters"):
        shards("x" * 4000 + "{0..90000}.tar")
    with pytest.raises(ValueError, match=r"names '.*a-8.tar' more than once"):
        open_source(str(tmp_path / "a-{8,8}.tar"))


def test_braces_in_the_names_of_folders_and_files(tmp_path, monkeypatch):
    home = tmp_path / "{p,q}"
    home.mkdir()
    for number in range(2):
        write(home / f"s-{number}.tar", {f"cat/{number}.png": DATA})
    monkeypatch.chdir(home)
    for spec in ("s-{0..1}.tar", "./s-{0,1}.tar"):
        source = open_source(spec)
        assert [item.path for item in source.items] == ["cat/0.png", "cat/1.png"]
        assert open_source(source.spec).items == source.items
    (home / "s-0.tar").rename(home / "{s}.tar")
    one = open_source("{s}.tar")
    assert open_source(one.spec).items == one.items == (Item("cat/0.png", "cat"),)


def test_of_two_files_of_one_name_the_later_counts(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for data in (DATA, CAT):
            member = tarfile.TarInfo("./cat/1.png")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    source = open_source(str(tmp_path / "a.tar"))
    assert source.items == (Item("cat/1.png", "cat"),) and source.read("cat/1.png") == CAT


class TestWebDataset:
    def test_classes_by_number(self, tmp_path):
        files = {"00.jpg": DATA, "00.cls": b"10\n", "01.png": DATA, "01.cls": b"2", "02.png": DATA}
        source = open_source(write(tmp_path / "a.tar", files))
        assert source.items == (Item("00.jpg", "10"), Item("01.png", "2"), Item("02.png"))
        assert source.numbered and source.classes[10] == "10" and len(source.classes) == 11

    def test_names_splits_and_columns(self, tmp_path):
        facts = {
            "label": "cat",
            "split": "val",
            "camera": " A ",
            "iso": 100,
            "night": False,
            "boxes": [1],
            "a=b": 1,
        }
        files = {
            "train/x/0.jpg": DATA,
            "train/x/0.json": json.dumps(facts).encode(),
            "train/y/1.jpg": DATA,
            "train/y/1.json": json.dumps({"cls": ["dog", "eel"], "iso": None}).encode(),
        }
        source = open_source(write(tmp_path / "a.tar", files))
        with pytest.warns(Notice, match="columns left out, such as 'a=b'"):
            assert source.columns == ("camera", "iso", "night")
        assert source.items == (
            Item("train/x/0.jpg", "cat", "val", ("A", "100", "false")),
            Item("train/y/1.jpg", "dog|eel", "train", (None, None, None)),
        )

    def test_what_no_file_says_the_folders_say(self, tmp_path):
        files = {"cat/0.jpg": DATA, "cat/0.json": b'{"iso": 3}', "info.json": b"no json", "dog/1.jpg": DATA}
        items = open_source(write(tmp_path / "a.tar", files)).items
        assert items == (Item("cat/0.jpg", "cat", None, ("3",)), Item("dog/1.jpg", "dog", None, (None,)))

    def test_further_images_of_a_sample_are_left_out(self, tmp_path):
        files = {"0.jpg": DATA, "0.seg.png": DATA, "0.cls": b"cat", "1.left.png": DATA, "1.cls": b"dog"}
        source = open_source(write(tmp_path / "a.tar", files))
        with pytest.warns(Notice, match=r"1 images left out .* such as 0.seg.png"):
            assert [item.path for item in source.items] == ["0.jpg", "1.left.png"]

    def test_nothing_is_unpickled(self, tmp_path):
        bomb = b"cos\nsystem\n(S'touch " + str(tmp_path / "hit").encode() + b"'\ntR."
        names = ("0.pyd", "0.pickle", "0.pkl", "0.pth", "0.pt")
        source = open_source(
            write(tmp_path / "a.tar", {"0.png": DATA, "0.cls": b"1"} | dict.fromkeys(names, bomb))
        )
        assert source.items == (Item("0.png", "1"),) and source.read("0.png") == DATA
        assert not (tmp_path / "hit").exists()

    @pytest.mark.parametrize(
        "name, said, why",
        [
            ("0.cls", b"\xff\xfe", "0.cls can't be understood"),
            ("0.json", b"{", "0.json can't be understood"),
            ("0.json", b"[]", "it is no object"),
            ("0.json", b'{"label": 1.5}', "'1.5' is no class"),
            ("0.json", b'{"label": {"a": 1}}', "is no class"),
            ("0.json", rb'{"camera": "\ud800"}', "surrogates not allowed"),
            ("0.json", rb'{"label": "\ud800"}', "surrogates not allowed"),
            ("0.json", rb'{"split": "\udc00"}', "surrogates not allowed"),
            ("0.json", b"[" * 60_000, "can't be understood"),
            ("0.json", b" " * 70_000, "larger than 65,536 bytes"),
        ],
    )
    def test_what_can_not_be_understood(self, tmp_path, name, said, why):
        source = open_source(write(tmp_path / "a.tar", {"0.png": DATA, name: said}))
        with pytest.raises(ValueError, match=why):
            _ = source.items


class TestHostile:
    def odd(self, name, kind, target=""):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        return member

    def test_links_and_odd_names_are_problems(self, tmp_path):
        (tmp_path / "secret.png").write_bytes(DATA)
        odd = [
            self.odd("cat/soft.png", tarfile.SYMTYPE, str(tmp_path / "secret.png")),
            self.odd("cat/hard.png", tarfile.LNKTYPE, "cat/1.png"),
            self.odd("cat/fifo.png", tarfile.FIFOTYPE),
            self.odd("cat/device.png", tarfile.CHRTYPE),
        ]
        names = ["cat/1.png", "../up.png", "/abs.png", "cat/a\nb.png", "cat/\udcff.png", "cat/\u202egnp.png"]
        path = write(tmp_path / "a.tar", dict.fromkeys(names, DATA), tarfile.GNU_FORMAT, odd)
        source = open_source(path)
        good = []
        for item in source.items:
            assert item.path.isprintable()
            try:
                assert source.read(item.path) == DATA
                good.append(item.path)
            except ValueError as error:
                assert any(word in str(error) for word in ("link", "no ordinary file", "a name"))
        assert good == ["cat/1.png"] and len(source.items) == len(names) + len(odd)

    def test_what_is_declared_is_bounded(self, tmp_path):
        path = tmp_path / "a.tar"
        huge = tarfile.TarInfo("cat/1.png")
        huge.size = 2**40
        path.write_bytes(huge.tobuf() + bytes(1024))
        with pytest.raises(ValueError, match=r"cut short: cat/1.png is not whole"):
            _ = open_source(str(path)).items
        header = tarfile.TarInfo("././@PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, 2**30
        with path.open("wb") as file:
            file.write(header.tobuf())
            file.truncate(2**30 + 2048)
        with pytest.raises(ValueError, match="a header of 1,073,741,824 bytes"):
            _ = open_source(str(path)).items

    def test_an_image_that_is_too_large_is_not_read(self, tmp_path):
        path = tmp_path / "a.tar"
        large = tarfile.TarInfo("cat/1.png")
        large.size = 2**30 + 512
        with path.open("wb") as file:
            file.write(large.tobuf())
            file.truncate(2**30 + 2048)
        with pytest.raises(ValueError, match="more than the 1,073,741,824"):
            open_source(str(path)).read("cat/1.png")

    def test_cut_anywhere_it_is_an_error_or_said(self, tmp_path):
        write(tmp_path / "a.tar", {"cat/1.png": DATA, "dog/" + "x" * 200 + ".png": DATA})
        data = (tmp_path / "a.tar").read_bytes()
        for length in range(1, data.rindex(DATA) + len(DATA), 97):
            (tmp_path / "b.tar").write_bytes(data[:length])
            with (
                warnings.catch_warnings(),
                pytest.raises((ValueError, Notice), match=r"cut short|no tar archive"),
            ):
                warnings.simplefilter("error")
                _ = open_source(str(tmp_path / "b.tar")).items

    @pytest.mark.parametrize(
        "record", ["9 path=x", "99 path=x\n", "x path=a\n", "-5 path\n", "3 =\n", "0 a=b\n"]
    )
    def test_broken_extended_headers(self, tmp_path, record):
        header = tarfile.TarInfo("././@PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, len(record)
        (tmp_path / "a.tar").write_bytes(header.tobuf() + record.encode().ljust(512, b"\0") + bytes(1024))
        with pytest.raises(ValueError, match=r"damaged|no images"):
            _ = open_source(str(tmp_path / "a.tar")).items

    def test_a_header_of_all_files_is_not_copied_for_each(self, tmp_path):
        said = {f"key{n}": "x" for n in range(5000)} | {f"GNU.sparse.{n}": "1" for n in range(5000)}
        block = tarfile.TarInfo._create_pax_generic_header(said, tarfile.XGLTYPE, "utf-8")
        assert index._records(block[512:], "a.tar") == {"GNU.sparse": "1"}
        rest = Path(write(tmp_path / "rest.tar", {"cat/1.png": DATA})).read_bytes()
        (tmp_path / "a.tar").write_bytes(block + rest)
        with pytest.raises(ValueError, match="with holes"):
            open_source(str(tmp_path / "a.tar")).read("cat/1.png")
        long = tarfile.TarInfo._create_pax_generic_header({"path": "a/" * 5000}, tarfile.XGLTYPE, "utf-8")
        (tmp_path / "a.tar").write_bytes(long + rest)
        with pytest.raises(ValueError, match="a path of 10,000 letters"):
            _ = open_source(str(tmp_path / "a.tar")).items

    @pytest.mark.parametrize("data", [b"", b"text", b"\x1f\x8b" + bytes(2000), bytes(1024)])
    def test_what_is_no_archive(self, tmp_path, data):
        (tmp_path / "a.tar").write_bytes(data)
        with pytest.raises(ValueError, match=r"no tar archive|cut short|it is empty"):
            _ = open_source(str(tmp_path / "a.tar")).items

    def test_an_archive_that_has_changed(self, tmp_path):
        source = open_source(write(tmp_path / "a.tar", {"cat/1.png": DATA}))
        _ = source.items
        (tmp_path / "a.tar").write_bytes(b"short")
        with pytest.raises(ValueError, match="cut short"):
            source.read("cat/1.png")


def test_files_with_holes_are_problems_and_what_follows_is_read(tmp_path):
    sparse = tarfile.TarInfo("cat/holes.png")
    sparse.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    block[482] = 1
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    rest = write(tmp_path / "rest.tar", {"cat/1.png": DATA})
    content = bytes(block) + bytes(512) + Path(rest).read_bytes()
    (tmp_path / "a.tar").write_bytes(content)
    source = open_source(str(tmp_path / "a.tar"))
    assert source.read("cat/1.png") == DATA
    with pytest.raises(ValueError, match="with holes"):
        source.read("cat/holes.png")
