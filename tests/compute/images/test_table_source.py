"""Images in a column of a table: Parquet, and the folders that Hugging Face's `datasets` writes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compute.images.sources import Item, open_source
from compute.images.sources.folders.folder_source import FolderSource
from compute.images.sources.lists.list_source import ListSource
from compute.images.sources.tables import parts, table_source
from compute.runtime.notices import Notice
from tests.support.pictures import encoded, noise

PICTURES = [encoded(noise(8 + number, 8)) for number in range(6)]
CLASSES = ["dog", "cat"]
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": CLASSES, "_type": "ClassLabel"},
}


def images(paths, pictures=PICTURES):
    return pa.array(
        [{"bytes": data, "path": path} for data, path in zip(pictures, paths, strict=False)],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )


def hugging_face(table):
    said = json.dumps({"info": {"features": FEATURES}})
    return table.replace_schema_metadata({"huggingface": said})


def written(path, table, rows=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows)
    return open_source(str(path))


def test_structs_of_bytes_and_path(tmp_path):
    paths = [f"cat/{number}.png" for number in range(3)] + [f"dog/{number}.png" for number in range(3)]
    source = written(tmp_path / "a.parquet", pa.table({"image": images(paths)}))
    assert source.items == tuple(Item(path, path[:3]) for path in paths)
    assert [source.read(path) for path in paths] == PICTURES and source.classes == ("cat", "dog")
    with pytest.raises(ValueError, match="no image 'cat'"):
        source.read("cat")


def test_classes_of_hugging_face_are_names_in_their_own_order(tmp_path):
    table = pa.table({"image": images(["b.png", "a.png", None]), "label": [0, 1, -1]})
    source = written(tmp_path / "train-00000-of-00001.parquet", hugging_face(table))
    assert source.items == (
        Item("00000000-b.png", "dog", "train"),
        Item("00000001-a.png", "cat", "train"),
        Item("00000002", None, "train"),
    )
    assert source.classes == ("dog", "cat") and not source.numbered
    assert [source.read(item.path) for item in source.items] == PICTURES[:3]


def test_numbers_splits_and_further_columns(tmp_path):
    table = pa.table(
        {
            "jpg": PICTURES[:3],
            "cls": [10, 2, None],
            "split": ["a", None, "b"],
            "exposure": [0.5, float("nan"), 2],
            "night": [True, None, False],
            "boxes": [[1], [], [2]],
        }
    )
    source = written(tmp_path / "a.parquet", table)
    with pytest.warns(Notice, match="left out, such as 'boxes'"):
        assert source.columns == ("exposure", "night")
    assert source.items == (
        Item("00000000", "10", "a", ("0.5", "true")),
        Item("00000001", "2", None, (None, None)),
        Item("00000002", None, "b", ("2.0", "false")),
    )
    assert source.numbered and len(source.classes) == 11


def test_folders_of_parquet_and_of_arrow(tmp_path):
    for split, rows in (("train", slice(0, 4)), ("test", slice(4, 6))):
        table = hugging_face(
            pa.table({"image": images(["x.png"] * 6, PICTURES)[rows], "label": [0, 1, 0, 1, 0, 1][rows]})
        )
        for name in ("hub/data", "saved"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
        (tmp_path / "saved" / split).mkdir()
        file = tmp_path / "saved" / split / "data-00000-of-00001.arrow"
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=3)
        (file.parent / "dataset_info.json").write_text("{}")
    for name in ("hub", "saved"):
        source = open_source(str(tmp_path / name))
        assert [item.split for item in source.items] == ["test"] * 2 + ["train"] * 4
        assert [item.label for item in source.items] == ["dog", "cat"] * 3
        assert [source.read(item.path) for item in source.items] == PICTURES[4:] + PICTURES[:4]
    # A folder of pictures with a table beside them is a folder of pictures.
    (tmp_path / "hub" / "cat").mkdir()
    (tmp_path / "hub" / "cat" / "1.png").write_bytes(PICTURES[0])
    assert isinstance(open_source(str(tmp_path / "hub")), FolderSource)


def test_a_parquet_file_without_images_is_a_list(tmp_path):
    assert isinstance(written(tmp_path / "a.parquet", pa.table({"path": ["a.png"]})), ListSource)


def test_rows_without_bytes_are_problems(tmp_path):
    pictures = [PICTURES[0], None, None]
    source = written(
        tmp_path / "a.parquet", pa.table({"image": images(["a", "/etc/hostname", None], pictures)})
    )
    first, named, empty = source.items
    assert source.read(first.path) == PICTURES[0]
    with pytest.raises(ValueError, match="no bytes, but the path of a file: /etc/hostname"):
        source.read(named.path)
    with pytest.raises(ValueError, match=r"no bytes$"):
        source.read(empty.path)


def test_which_column_is_meant(tmp_path):
    table = pa.table({"left": PICTURES, "right": PICTURES})
    with pytest.raises(ValueError, match="several columns of images, left, right"):
        _ = written(tmp_path / "a.parquet", table).items
    table = pa.table({"mask": PICTURES, "image": PICTURES[::-1]})
    with pytest.warns(Notice, match="such as 'mask'"):
        source = written(tmp_path / "a.parquet", table)
        assert source.read("00000000") == PICTURES[-1]


def test_groups_are_read_once_and_a_few_are_kept(tmp_path, monkeypatch):
    source = written(tmp_path / "a.parquet", pa.table({"image": PICTURES}), rows=1)
    _ = source.items
    read, asked = parts.ParquetPart.read, []
    monkeypatch.setattr(
        parts.ParquetPart, "read", lambda self, group, names: asked.append(group) or read(self, group, names)
    )
    for path in ("00000000", "00000000", "00000001", "00000000", "00000005"):
        source.read(path)
    assert asked == [0, 1, 5] and len(source._groups) <= 3
    monkeypatch.setattr(table_source, "KEPT_BYTES", 1)
    for path in ("00000003", "00000003", "00000004"):
        source.read(path)
    assert asked[3:] == [3, 4] and len(source._groups) == 1


def test_what_stands_once_in_a_parquet_file_is_counted_as_often_as_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "MAX_GROUP", 10_000_000)
    bomb = pa.table({"image": [bytes(500_000)] * 200})
    with pytest.raises(ValueError, match=r"row group 0 takes at least 10,000,\d+ bytes unpacked"):
        written(tmp_path / "a.parquet", bomb, rows=200).read("00000000")
    bomb = pa.table({"path": [f"{row}.png" for row in range(1000)], "note": ["x" * 100_000] * 1000})
    with pytest.raises(ValueError, match="takes at least"):
        _ = written(tmp_path / "list.parquet", bomb, rows=1000).items


def arrow_file(path, table, rows=2, compression=None):
    path.parent.mkdir(exist_ok=True)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return open_source(str(path.parent))


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_batches_of_an_arrow_file_are_unpacked_one_at_a_time(tmp_path, compression, monkeypatch):
    labels = pa.array(["dog", "cat", "eel", "dog", "cat", None])
    table = pa.table({"image": PICTURES, "label": labels.dictionary_encode(), "exif.iso": range(6)})
    source = arrow_file(tmp_path / "set" / "a.arrow", table, 2, compression)
    assert [item.label for item in source.items] == labels.to_pylist()
    assert source.columns == ("exif.iso",) and source.items[5].values == ("5",)
    assert [source.read(item.path) for item in source.items] == PICTURES
    bomb = pa.table({"image": [bytes(500_000)] * 20})
    source = arrow_file(tmp_path / "bomb" / "a.arrow", bomb, 10, compression)
    monkeypatch.setattr(parts, "MAX_GROUP", 5_500_000)
    before = pa.total_allocated_bytes()
    assert len(source.items) == 20 and pa.total_allocated_bytes() - before < 1_000_000
    assert len(source.read("00000019")) == 500_000
    monkeypatch.setattr(parts, "MAX_GROUP", 4_500_000)
    if compression is None:  # It is used as it lies in the file.
        assert len(source.read("00000000")) == 500_000
        return
    with pytest.raises(ValueError, match=r"row group 0 takes at least 5,\d+,\d+ bytes unpacked"):
        source.read("00000000")


def test_damaged_arrow_files_are_errors(tmp_path):
    table = pa.table({"image": PICTURES, "label": pa.array(["a", "b"] * 3).dictionary_encode()})
    file = tmp_path / "set" / "a.arrow"
    arrow_file(file, table, 3, "zstd")
    data = file.read_bytes()
    for place in range(0, len(data), 7):
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :])
        try:
            source = open_source(str(file.parent))
            for item in source.items:
                source.read(item.path)
        except ValueError:
            pass


def test_columns_of_one_name_are_refused(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array(PICTURES), pa.array(range(6)), pa.array(range(6))], ["image", "a", "a"]
    )
    with pytest.raises(ValueError, match="several columns that are called 'a'"):
        _ = written(tmp_path / "a.parquet", table).items


@pytest.mark.parametrize("data", [b"", b"text", b"PAR1" + bytes(100) + b"PAR1"])
@pytest.mark.parametrize("name", ["a.parquet", "set/a.arrow"])
def test_what_is_no_table(tmp_path, name, data):
    (tmp_path / "set").mkdir()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match="can't be read"):
        _ = open_source(str(tmp_path / name if name == "a.parquet" else tmp_path / "set")).items


def test_damage_is_a_problem_of_the_image(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"image": PICTURES}), path, row_group_size=3, compression="NONE", use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    source = open_source(str(path))
    _ = source.items
    data[4:20] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="can't be read"):
        source.read("00000000")
    assert source.read("00000005") == PICTURES[5]


def test_files_of_other_columns_and_groups_that_are_too_large(tmp_path, monkeypatch):
    folder = tmp_path / "set"
    written(folder / "a.parquet", pa.table({"image": PICTURES}))
    written(folder / "b.parquet", pa.table({"image": PICTURES, "label": [1] * 6}))
    with pytest.raises(ValueError, match=r"b.parquet has other columns"):
        _ = open_source(str(folder)).items
    (folder / "b.parquet").unlink()
    monkeypatch.setattr(parts, "MAX_GROUP", 100)
    with pytest.raises(ValueError, match="smaller row_group_size"):
        open_source(str(folder)).read("00000000")
