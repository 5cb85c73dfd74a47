"""Weights as safetensors, whole or shared out over several files."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from compute.models.checkpoints import read_checkpoint
from tests.support.networks.saved import prefixed, state

RAW = {name: value.contiguous() for name, value in state(0).items()}


@pytest.fixture(params=[".safetensors", ".bin"])
def shards(request, tmp_path):
    """The weights in two files with an index, as libraries write them; the index."""
    names = sorted(RAW)
    stem = "model" if request.param == ".safetensors" else "pytorch_model"
    index = {}
    for number, part in enumerate((names[:3], names[3:]), 1):
        file = f"{stem}-{number:05}-of-00002{request.param}"
        content = {name: RAW[name] for name in part}
        (save_file if request.param == ".safetensors" else torch.save)(content, tmp_path / file)
        index |= dict.fromkeys(part, file)
    path = tmp_path / f"{stem}{request.param}.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))
    return path


def same(found) -> bool:
    return found.keys() == RAW.keys() and all(torch.equal(found[name], value) for name, value in RAW.items())


def test_an_index_a_part_and_their_folder_are_the_whole(shards):
    part = next(shards.parent.glob("*-00002-of-00002*"))
    assert all(same(read_checkpoint(path)) for path in (shards, part, shards.parent))


def test_a_part_that_is_missing(shards):
    next(shards.parent.glob("*-00001-of-00002*")).unlink()
    with pytest.raises(ValueError, match=r"names .*-00001-of-00002.* missing; put all 2 of them beside it"):
        read_checkpoint(shards)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"weight_map": 3}', '{"weight_map": {"a": "../other.bin"}}', '{"weight_map": {"a": 3}}'],
)
def test_what_is_no_index(text, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ValueError, match=r"is no index|no file beside it"):
        read_checkpoint(tmp_path / "model.safetensors.index.json")


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder without model.safetensors"):
        read_checkpoint(tmp_path)


def test_a_key_names_the_beginning_of_names(tmp_path):
    save_file({**prefixed("student.", RAW), **prefixed("teacher.", state(1))}, tmp_path / "both.safetensors")
    assert same(read_checkpoint(tmp_path / "both.safetensors", "student"))


@pytest.mark.parametrize("header, words", [
    (b"{}", "a dictionary of nothing"),
    (b"{" + b" " * 1_000_000 + b"}", "a dictionary of nothing"),
    (b'{"a":' * 10_000, "is damaged"),
    (b'{"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8]}}', "is damaged"),
    (b'{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}', "is damaged"),
])  # fmt: skip
def test_headers_that_say_nothing_or_too_much(header, words, tmp_path):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ValueError, match=f"{words}|is damaged"):
        read_checkpoint(path)
