"""A pickle is read as data: what it names is neither imported nor called, and no content makes it slow or
large."""

import io
import pickle
import sys
import time

import numpy as np
import pytest
import torch

from compute.models.weights.errors import Refused
from compute.models.weights.pickles import Instance, Name, UnreadablePickle, read_pickle
from tests.support.networks.saved import BESIDE, Callback, Settings

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = {
    "a": [1, -2, 2**40, 10**30, 1.5, True, False, None],
    "b": ("text", "ü", b"\x00\xff", (), (1,), (1, 2), (1, 2, 3, 4)),
    "c": {"nested": {"deep": [[], {}]}},
}


def read(data: bytes):
    return read_pickle(io.BytesIO(data), len(data), {})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_content_is_as_pickle_reads_it(protocol):
    assert read(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", sorted(set(BESIDE) - {"random state"}))
def test_objects_of_every_kind_are_passed_over(name, protocol):
    if name == "device" and protocol < 2:
        pytest.skip("torch's own objects need protocol 2")
    assert read(pickle.dumps({"first": 1, "odd": BESIDE[name], "last": 2}, protocol))["last"] == 2


def test_an_object_is_what_the_file_says_of_it():
    found = read(pickle.dumps(Settings(0.3)))
    assert isinstance(found, Instance) and found.of == Name("tests.support.networks.saved", "Settings")
    assert found.state == {"rate": 0.3}
    assert read(pickle.dumps(Callback(a=1))).items == {"a": 1}


def test_nothing_is_imported():
    data = b"cfeaturescope_has_no_such_module\nthing\n(S'x'\ntR."
    assert isinstance(read(data), Instance)
    assert "featurescope_has_no_such_module" not in sys.modules


@pytest.mark.parametrize(
    "name", ["os system", "posix system", "builtins eval", "__builtin__ eval", "subprocess Popen"]
)
def test_names_of_harm_are_refused(name):
    module, _, function = name.partition(" ")
    with pytest.raises(Refused, match="could run code"):
        read(f"c{module}\n{function}\n(S'echo'\ntR.".encode())


def test_a_call_of_a_call_stays_data():
    """`getattr(torch, "load")("x")`, as a chain of objects that were never made."""
    data = b"cbuiltins\ngetattr\n(ctorch\nhub\nS'load'\ntR(S'x'\ntR."
    outer = read(data)
    assert isinstance(outer, Instance) and isinstance(outer.of, Instance)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"(",
        b"hello",
        b"]" * 9,
        b"\x80\x02(u.",
        b"K\x01K\x02s.",
        b"h\x05.",
        b"\x94.",
        b"I12x\n.",
        b"R.",
        b"\x81.",
        b"b.",
        b"\x93.",
        b"Q.",
        b"\x97.",
        b"\x82\x01.",
        b"X\xff\xff\xff\x7fabc.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)
def test_what_is_no_pickle(data):
    with pytest.raises(UnreadablePickle):
        read(data)


@pytest.mark.parametrize("data", [
    b"\x80\x02]q\x00" + b"(h\x00h\x00h\x00h\x00e" * 3 + b".",
    b"\x80\x02" + b"]" * 100_000 + b".",
    b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
    b"\x80\x02)" + b"\x85" * 100_000 + b"q\x00}h\x00K\x01s.",
], ids=["lists of themselves", "deep", "a dictionary that holds itself", "a deep key"])  # fmt: skip
def test_content_that_goes_on_and_on_is_read_at_once(data):
    started = time.perf_counter()
    read(data)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("arguments", [
    b"X" + (1_000_000).to_bytes(4, "little") + b"a" * 1_000_000,  # text that would be taken for arguments
    b"(" + b"N" * 200_000 + b"t",
])  # fmt: skip
@pytest.mark.parametrize("made", [b"cbuiltins\nlist\n", b"ccopyreg\n_reconstructor\n"])
def test_arguments_that_are_used_again_and_again_are_bounded_by_the_file(arguments, made):
    data = b"\x80\x02](" + arguments + b"q\x00" + made + b"q\x01" + b"h\x01h\x00R" * 200_000 + b"e."
    started = time.perf_counter()
    with pytest.raises(UnreadablePickle, match=r"many times its size|no arguments"):
        read(data)
    assert time.perf_counter() - started < 10


def test_what_the_memo_repeats_is_bounded_by_the_file():
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00"
    data = b"\x80\x02(" + text + b"c_codecs\nencode\nq\x01" + b"(h\x00tR0h\x01" * 1000 + b"."
    with pytest.raises(UnreadablePickle, match="many times its size"):
        read(data)


def test_the_instructions_are_counted(monkeypatch):
    monkeypatch.setattr("compute.models.weights.pickles.MAX_INSTRUCTIONS", 100)
    with pytest.raises(UnreadablePickle, match="more than 100 instructions"):
        read(b"\x80\x02" + b"K\x010" * 100 + b"N.")


def test_damaged_pickles_are_read_or_refused():
    """Every cut, and a thousand changed bytes: an answer, or an error of ours."""
    whole = pickle.dumps({"a": np.arange(3.0), "b": PLAIN, "c": Settings()}, 2)
    generator = torch.Generator().manual_seed(0)
    damaged = [whole[:length] for length in range(len(whole))]
    for _ in range(1000):
        changed = bytearray(whole)
        place, value = torch.randint(0, 2**31, (2,), generator=generator).tolist()
        changed[place % len(whole)] = value % 256
        damaged.append(bytes(changed))
    for data in damaged:
        try:
            read(data)
        except (UnreadablePickle, Refused):
            continue
