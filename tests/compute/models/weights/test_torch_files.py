"""What torch.save and pickle.dump write is read bit for bit as torch and pickle read it."""

import io
import pickle
import time
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from compute.models.checkpoints import read_checkpoint

TYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.uint16,
]
whole = torch.arange(24.0).view(2, 3, 4)
VIEWS = {
    "scalar": torch.tensor(1.5),
    "empty": torch.empty(0, 3),
    "transposed": whole.transpose(0, 2),
    "sliced": whole[:, 1:, ::2],
    "expanded": whole[:1, :1].expand(5, 7, 4),
    "parameter": torch.nn.Parameter(whole),
    "buffer": torch.nn.Buffer(whole),
    "one": whole[0],
    "other": whole[1],
}


def legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def pickled(protocol):
    return lambda content, path: path.write_bytes(pickle.dumps(content, protocol))


WRITERS = {"archive": torch.save, "stream": legacy, "pickle 2": pickled(2), "pickle 5": pickled(5)}


@pytest.mark.parametrize("writer", WRITERS)
def test_tensors_of_every_type_and_view(writer, tmp_path):
    ones = {str(each): torch.arange(6).to(torch.float32).to(each) for each in TYPES}
    if writer != "archive":
        (
            ones.pop("torch.float8_e4m3fn"),
            ones.pop("torch.uint16"),
        )  # torch writes them as views that only archives have
    content = {**ones, **VIEWS}
    WRITERS[writer](content, tmp_path / "all.pt")
    found = read_checkpoint(tmp_path / "all.pt")
    assert found.keys() == content.keys()
    for name, expected in content.items():
        expected = expected.detach()
        assert found[name].dtype == expected.dtype and found[name].shape == expected.shape, name
        assert torch.equal(
            found[name].contiguous().view(-1).view(torch.uint8),
            expected.contiguous().view(-1).view(torch.uint8),
        ), name


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<i8", "?", "u1", ">c8"])
def test_arrays_of_every_type_and_order(protocol, dtype, tmp_path):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = {
        "rows": values,
        "columns": np.asfortranarray(values),
        "part": values[:, ::2],
        "scalar": values[0, 0, :1],
    }
    (tmp_path / "arrays.pkl").write_bytes(pickle.dumps({"model": content, "__author__": "x"}, protocol))
    found = read_checkpoint(tmp_path / "arrays.pkl")
    assert found.keys() == content.keys()
    assert all(np.array_equal(found[name].numpy(), each) for name, each in content.items())


def tampered(path, change):
    """The archive with each file's bytes changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    path.write_bytes(buffer.getvalue())


@pytest.fixture
def saved(tmp_path):
    torch.save({"weight": torch.arange(1000.0)}, tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def test_a_bit_that_flipped_is_noticed(saved):
    data = bytearray(saved.read_bytes())
    data[data.find(torch.arange(1000.0).numpy().tobytes()[400:800])] ^= 1
    saved.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        read_checkpoint(saved)


def test_files_without_checksums_load(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"weight": torch.ones(3)}, tmp_path / "weights.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_checkpoint(tmp_path / "weights.pt")["weight"], torch.ones(3))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda name, data: data[:4] if name.endswith("data/0") else data, "is damaged"),
        (lambda name, data: b"big" if name.endswith("byteorder") else data, "another byte order"),
        (
            lambda name, data: (
                data.replace(b"FloatStorage", b"FloatStorags") if name.endswith("pkl") else data
            ),
            "unknown type",
        ),
    ],
)
def test_archives_that_contradict_themselves(saved, change, words):
    tampered(saved, change)
    with pytest.raises(ValueError, match=words):
        read_checkpoint(saved)


def test_an_archive_packed_again_loads(saved):
    """Compressed, as by hand; a little smaller."""
    with zipfile.ZipFile(saved) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in files.items():
            new.writestr(name, data)
    assert torch.equal(read_checkpoint(saved)["weight"], torch.arange(1000.0))


def test_a_bomb_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    with pytest.raises(ValueError, match=r"unpacks into 50,000,000 bytes, more than 16 times its \d\d,\d{3}"):
        read_checkpoint(tmp_path / "bomb.pt")


def text(said):
    return b"X" + len(said).to_bytes(4, "little") + said.encode()


DOUBLED = b"]q\x000" + b"".join(
    b"](h" + bytes([each, ord("h"), each]) + b"eq" + bytes([each + 1]) + b"0" for each in range(60)
) + b"h\x3c"  # fmt: skip
"""A list that is twice in a list that is twice in a list …: written out it would have no end."""
DEEP = b")" + b"\x85" * 100_000
VALUES = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"


@pytest.mark.parametrize("value", [
    DOUBLED + b")R",
    b"cm\nn\n)R" + b"q\x000cm\nn\n(h\x00h\x00tR" * 60 + b")R",
    b"ctorch._tensor\n_rebuild_from_type_v2\n(" + VALUES + DOUBLED + b")NtR",
    b"(" + text("storage") + DOUBLED + text("0") + text("cpu") + b"K\x01tQ",
    b"ctorch._utils\n_rebuild_tensor_v3\n(" + STORAGE + b"K\x00))\x89N" + DOUBLED + b"tR",
    VALUES + b"((" + text("storage") + b"ctorch\nFloatStorage\n" + DEEP + text("cpu") + b"K\x04tQK\x00))tR",
], ids=["maker", "maker of makers", "class", "storage", "type", "key"])  # fmt: skip
def test_what_is_said_of_a_file_has_an_end(value, tmp_path):
    started = time.perf_counter()
    with zipfile.ZipFile(tmp_path / "odd.pt", "w") as archive:
        archive.writestr("odd/data.pkl", b"\x80\x02}" + text("weight") + value + b"s.")
        archive.writestr("odd/data/0", bytes(16))
    with pytest.raises(ValueError) as caught:
        read_checkpoint(tmp_path / "odd.pt")
    assert len(str(caught.value)) < 500 and time.perf_counter() - started < 10


def test_arrays_that_are_all_of_the_same_bytes(tmp_path):
    """A few bytes each in the file, and a copy each in memory."""
    array = pickle.dumps(np.zeros(1_000_000, np.float32), 2)
    again = b"".join(text(f"w{index}") + b"h\xff" for index in range(100))
    (tmp_path / "arrays.pkl").write_bytes(b"\x80\x02}(" + text("w") + array[2:-1] + b"q\xff" + again + b"u.")
    with pytest.raises(ValueError, match="arrays of 404,000,000 bytes in all, more than 16 times"):
        read_checkpoint(tmp_path / "arrays.pkl")
    (tmp_path / "arrays.pkl").write_bytes(b"\x80\x02}(" + text("w") + array[2:-1] + b"u.")
    assert read_checkpoint(tmp_path / "arrays.pkl")["w"].shape == (1_000_000,)


def test_a_tensor_that_repeats_a_few_bytes_into_terabytes(tmp_path):
    torch.save({"weight": torch.ones(1).expand(1000, 1000)}, tmp_path / "weights.pt")
    assert read_checkpoint(tmp_path / "weights.pt")["weight"].shape == (1000, 1000)
    torch.save({"weight": torch.ones(1).expand(1_000_000, 1_000_000)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="4,000,000,000,000 bytes that repeat 4"):
        read_checkpoint(tmp_path / "weights.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_names_that_no_network_has(suffix, tmp_path):
    """How long it takes to tell which prefix of a name is a wrapper's grows with its square."""
    write = torch.save if suffix == ".pt" else safetensors.torch.save_file
    write({"." * 100_000: torch.ones(1)}, tmp_path / f"long{suffix}")
    with pytest.raises(ValueError, match="names a tensor by 100,000 letters"):
        read_checkpoint(tmp_path / f"long{suffix}")


def test_a_chain_of_modules_whose_names_have_no_end(tmp_path):
    weight = b"cm\nn\n)R}" + text("weight") + VALUES + b"(" + STORAGE + b"K\x00K\x04\x85K\x01\x85tRsb"
    name = text("x" * 100_000) + b"q\x010"
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        chain = b"q\x020cm\nn\n)R}h\x01h\x02sb" * 20_000
        archive.writestr("script/data.pkl", b"\x80\x02" + name + weight + chain + b".")
        archive.writestr("script/constants.pkl", b"")
        archive.writestr("script/data/0", bytes(16))
    started = time.perf_counter()
    with pytest.raises(ValueError, match="have no names"):
        read_checkpoint(tmp_path / "script.pt")
    assert time.perf_counter() - started < 10


def test_a_zip_file_of_others(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"a zip file, but none that torch.save wrote"):
        read_checkpoint(tmp_path / "other.pt")


def test_paths_in_an_archive_lead_nowhere(saved, tmp_path):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("../../slipped", b"x")
        archive.writestr("weights/data/../../slipped", b"x")
    assert read_checkpoint(saved).keys() == {"weight"}
    assert not list(tmp_path.parent.rglob("slipped"))


@pytest.mark.parametrize("make, words", [
    (lambda: torch.eye(3).to_sparse(), "is sparse"),
    (lambda: torch.eye(3).to_sparse_csr(), "is sparse"),
    (lambda: torch.empty(2, device="meta"), "device 'meta'"),
    (lambda: torch.ones(2, dtype=torch.complex64).conj(), "conjugated"),
    (lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), "nested"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_no_weights_are_read_from(make, words, tmp_path):
    torch.save({"weight": make(), "bias": torch.ones(1)}, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=f"can't be used: weight .*{words}"):
        read_checkpoint(tmp_path / "odd.pt")


@pytest.mark.filterwarnings("ignore")
def test_quantised_tensors(tmp_path):
    torch.save({"weight": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, tmp_path / "q.pt")
    with pytest.raises(ValueError, match="is quantised"):
        read_checkpoint(tmp_path / "q.pt")


@pytest.mark.parametrize("writer", WRITERS)
def test_every_cut_is_damage(writer, tmp_path):
    path = tmp_path / "cut.pt"
    WRITERS[writer]({"weight": torch.arange(5.0)}, path)
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError):
            read_checkpoint(path)
