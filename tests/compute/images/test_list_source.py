"""Lists of images: CSV and Parquet, what their columns mean, which files they may name."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compute.images.sources import Item, Reach, named, open_source
from compute.pipeline.stages.columns import column_kinds, columns_table
from compute.runtime.notices import Notice
from tests.support.pictures import encoded, noise

DATA = encoded(noise())


@pytest.fixture
def folder(tmp_path):
    for path in ("lists/cat/1.png", "lists/dog/2.png", "elsewhere/3.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(DATA)
    return tmp_path / "lists"


def listed(folder, text, name="list.csv"):
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return open_source(str(folder / name))


def test_columns_are_path_label_split_and_what_else_there_is(folder):
    source = listed(
        folder, "label,path,camera,split,note\ndog,./dog/2.png,A,test,\n cat ,cat//1.png,B,, x \n"
    )
    assert source.columns == ("camera", "note")
    assert source.items == (
        Item("cat/1.png", "cat", None, ("B", "x")),
        Item("dog/2.png", "dog", "test", ("A", None)),
    )
    assert source.classes == ("cat", "dog") and not source.numbered
    assert source.read("dog/2.png") == DATA


def test_a_list_of_a_folder_is_the_folder(folder):
    items = open_source(str(folder)).items
    source = listed(folder, "path,label\n" + "".join(f"{each.path},{each.label}\n" for each in items[::-1]))
    assert source.items == items


@pytest.mark.parametrize(
    "text",
    [
        "file_name;label\r\ncat/1.png;cat\r\n\r\n",
        "\ufefffile_name\tlabel\ncat/1.png\tcat\n",
        'image,label\n"cat/1.png","cat"\n',
        ",image,label\n0,cat/1.png,cat\n",  # as pandas writes its index
    ],
)
def test_dialects(folder, text):
    assert listed(folder, text).items == (Item("cat/1.png", "cat"),)


def test_a_parquet_list(folder):
    table = pa.table(
        {
            "path": ["dog/2.png", "cat/1.png"],
            "label": pa.array(["dog", "cat"]).dictionary_encode(),
            "exposure": [0.5, float("nan")],
            "night": [True, None],
            "size": [3, 4],
            "boxes": [[1], [2]],
        }
    )
    pq.write_table(table, folder / "list.parquet")
    source = open_source(str(folder / "list.parquet"))
    with pytest.warns(Notice, match="columns left out, .*: boxes"):
        assert source.items[0] == Item("cat/1.png", "cat", None, (None, None, "4"))
    assert source.items[1].values == ("0.5", "true", "3")
    assert source.columns == ("exposure", "night", "size")


@pytest.mark.parametrize(
    "text, said",
    [
        ("a.png,cat\n", "no column path .*names a.png, cat"),
        ("", "names none"),
        ("path,label\n", "names no image"),
        ("path,label\na.png\n", "row 1 has 1 values, and there are 2 columns"),
        ("path,label\na.png,cat\nb/../a.png,x\n./a.png,dog\n", "'a.png' is in row 1 and in row 3"),
        ("path,label\n ,cat\n", "row 1 has no path"),
        ("path,label,label\na,b,c\n", "'label'"),
        ("path,a=b\na,b\n", "'a=b'"),
        ('path\n"a.png\n', "no CSV file"),
        (b"path\n\xff\xfe.png\n", "no CSV file in UTF-8"),
        ("path," + ",".join(f"c{n}" for n in range(65)) + "\n", "65 columns"),
    ],
)
def test_what_is_wrong_is_said(folder, text, said):
    with pytest.raises(ValueError, match=said):
        _ = listed(folder, text).items


def test_files_that_are_not_there_are_said_when_they_are_read(folder):
    source = listed(folder, "path\nnone.png\ncat\n")
    for path in ("none.png", "cat"):
        with pytest.raises(ValueError, match=f"no file '{path}'"):
            source.read(path)
    with pytest.raises(ValueError, match="not in the list"):
        source.read("dog/2.png")


def test_a_server_reads_nothing_outside_of_what_is_allowed(folder):
    elsewhere = folder.parent / "elsewhere" / "3.png"
    (folder / "link.png").symlink_to(elsewhere)
    paths = (str(elsewhere), "../elsewhere/3.png", "link.png")
    listed(folder, "path\ncat/1.png\n" + "".join(f"{path}\n" for path in paths))
    here = str(folder / "list.csv")
    assert all(open_source(here).read(path) == DATA for path in paths)
    closed = open_source(here, Reach((), network=False))
    assert closed.read("cat/1.png") == DATA
    for path in paths:
        with pytest.raises(ValueError, match="--originals"):
            closed.read(path)
    allowed = open_source(here, Reach((str(elsewhere.parent),), network=False))
    assert all(allowed.read(path) == DATA for path in paths)


def test_labels_that_are_numbers_are_those_of_classes(folder):
    source = listed(folder, "path,label\ncat/1.png,10\ndog/2.png,2\n")
    assert source.numbered and source.classes == tuple(map(str, range(11)))
    classes = tuple(f"class {number}" for number in range(11))
    assert [item.label for item in named(source.items, classes)] == ["class 10", "class 2"]
    assert named(source.items, source.classes) == source.items == named(source.items, ())
    with pytest.raises(ValueError, match=r"label 10 is no class: .* has 3 classes"):
        named(source.items, ("a", "b", "c"))
    # Classes that are called 10 and 2 are meant by their names, whatever their order.
    assert named(source.items, ("1", "10", "2")) == source.items
    assert not source.not_numbered


def test_labels_that_look_like_numbers_and_are_none_are_said_to_be_names(folder):
    source = listed(folder, "path,label\ncat/1.png,10\ndog/2.png,02\n")
    assert not source.numbered and source.classes == ("02", "10")
    said = "labels are taken for names, not for numbers of classes (0, 1, 2, …): 02 is none"
    assert source.not_numbered == said
    source = listed(folder, "path,label\na.png,1\nb.png,1.5\nc.png,-2\nd.png,3\n")
    assert source.not_numbered.endswith(": -2, 1.5 are none")
    for labels in ("1|cat", "cat", "7th"):
        assert not listed(folder, f"path,label\na.png,{labels}\nb.png,dog\n").not_numbered


def test_numbers_as_pandas_writes_them_lists_and_no_class(folder):
    source = listed(folder, "path,label\na.png,3.0\nb.png,0|2\nc.png,-1\nd.png,\ne.png,1\n")
    assert source.numbered and source.classes == ("0", "1", "2", "3")
    classes = ("ant", "bee", "cat", "dog")
    assert [item.label for item in named(source.items, classes)] == ["dog", "ant|cat", None, None, "bee"]
    assert [item.label for item in named(source.items, source.classes)] == ["3", "0|2", None, None, "1"]
    with pytest.raises(ValueError, match=r"label 3 is no class"):
        named(source.items, classes[:3])
    for label in ("-1", "1.5", "-2", "1|cat", "|", "9" * 5000):
        assert not listed(folder, f"path,label\na.png,{label}\n").numbered


def test_bytes_beside_paths_are_no_images(folder):
    table = pa.table({"path": ["cat/1.png"], "phash": [b"\xff\x00"], "camera": ["A"]})
    pq.write_table(table, folder / "list.parquet")
    source = open_source(str(folder / "list.parquet"))
    with pytest.warns(Notice, match="left out, .*: phash"):
        assert source.items == (Item("cat/1.png", None, None, ("A",)),)
    assert source.read("cat/1.png") == DATA
    twice = pa.Table.from_arrays([pa.array(["cat/1.png"])] * 3, ["path", "a", "a"])
    pq.write_table(twice, folder / "twice.parquet")
    with pytest.raises(ValueError, match="'a' can't be a column"):
        _ = open_source(str(folder / "twice.parquet")).items


def test_columns_become_a_table_of_texts_and_numbers():
    items = (
        Item("a", values=("1", "007", None, None)),
        Item("b", values=("-2.5e3", "8", "x", None)),
        Item("c", values=(None, "9", "1", None)),
    )
    names = ("number", "code", "mixed", "empty")
    assert column_kinds(names, items) == {
        "number": {"kind": "number", "values": 2},
        "code": {"kind": "text", "values": 3},
        "mixed": {"kind": "text", "values": 2},
    }
    rows = [tuple(row.values()) for row in columns_table(names, items).to_pylist()]
    assert rows == [
        ("code", 0, "007", None),
        ("code", 1, "8", None),
        ("code", 2, "9", None),
        ("mixed", 1, "x", None),
        ("mixed", 2, "1", None),
        ("number", 0, "1", 1.0),
        ("number", 1, "-2.5e3", -2500.0),
    ]


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1_000", "0x10", "٣", "", ".", "1 2", "00"])
def test_what_is_no_number_is_text(text):
    assert column_kinds(("c",), (Item("a", values=(text or "-",)),))["c"]["kind"] == "text"


@pytest.mark.parametrize("text", ["0", "-1", "+3", ".5", "2.", "0.25", "1e-3", "-2E+5"])
def test_numbers(text):
    assert column_kinds(("c",), (Item("a", values=(text,)),))["c"]["kind"] == "number"


def test_a_list_that_is_too_large_is_not_read(folder):
    with (folder / "list.csv").open("w") as file:
        file.truncate(2**30 + 1)
    with pytest.raises(ValueError, match="more than the 1,073,741,824 of a list"):
        _ = open_source(str(folder / "list.csv")).items
