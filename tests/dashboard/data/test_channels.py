"""Channels listed, filtered and gone through; what a channel's patches say of classes."""

import numpy as np
import pyarrow as pa
import pytest

from dashboard.data import channels
from dashboard.sections.channels import classes
from dashboard.views.definitions import ChannelsView

STATS = pa.table(
    {
        "channel": pa.array([0, 1, 2, 3, 4], pa.int32()),
        "mean": pa.array([1, 5, 3, 0, 2], pa.float32()),
        "max": pa.array([9, 8, 7, 0, 6], pa.float32()),
        "active_share": pa.array([0.1, 0.2, 0.3, 0, 0.5], pa.float32()),
        "dead": [False, False, False, True, False],
        "top_class": ["ant", "bee", "ant", None, "cat"],
        "selectivity": pa.array([0.2, 0.9, 0.4, None, 1.0], pa.float32()),
    }
)


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"sort": "mean"}, [1, 2, 4, 0, 3]),
        ({"only": "live"}, [0, 1, 2, 4]),
        ({"only": "dead"}, [3]),
        ({"top_class": "ant"}, [0, 2]),
        ({"least": 0.2, "most": 0.4}, [0, 2]),
        ({"least": 0.5}, [1, 4]),
        ({"find": "1, 3-9"}, [1, 3, 4]),
        ({"find": " 0 2 "}, [0, 2]),
        ({"find": "3 - 4", "sort": "max"}, [4, 3]),
        ({"top_class": "bee", "only": "dead"}, []),
    ],
)
def test_channels_that_pass_in_order(fields, expected):
    view = ChannelsView(**fields)
    assert channels.filter_of(view).listed(STATS)["channel"].to_pylist() == expected
    assert channels.filtered(view) == bool(set(fields) - {"sort"})


@pytest.mark.parametrize("text", ["seven", "1-", "-3", ",", "1-2-3"])
def test_numbers_that_can_not_be_read_are_said(text):
    with pytest.raises(ValueError, match="numbers and ranges"):
        channels.filter_of(ChannelsView(find=text)).listed(STATS)


def test_a_strip_has_its_channels_tiles_in_the_order_asked(run, store, serve):
    serve(store)
    picture = channels.strip(run, "conv2", [5, 0, 5])
    assert picture.shape == (channels.SIDE, 3 * channels.SIDE, 3) and picture.dtype == "uint8"
    first, second, third = np.split(picture, 3, axis=1)
    assert (first == third).all() and (first != second).any()
    assert (channels.strip(run, "conv2", [0]) == second).all()


@pytest.mark.parametrize(
    ("layer", "asked", "said"),
    [
        ("conv9", [0], "unknown layer 'conv9'; did you mean conv"),
        ("conv2", [], "0 channels are not 1 to 64"),
        ("conv2", [1] * 65, "65 channels are not 1 to 64"),
        ("conv2", [9999], "from 0 to 31"),
        ("conv2", [-1], "from 0 to 31"),
    ],
)
def test_a_strip_of_what_there_is_not_is_refused(run, store, serve, layer, asked, said):
    serve(store)
    with pytest.raises(ValueError, match=said):
        channels.strip(run, layer, asked)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"named": "wheel"}, [1, 4]),
        ({"sort": "here"}, [4, 1, 0, 2, 3]),
        ({"rare": 0.1}, [1, 4]),
        ({"rare": 0.1, "sort": "here"}, [4, 1]),
        ({"rare": 0.1, "named": "wheel", "sort": "here"}, [4, 1]),
    ],
)
def test_channels_pass_by_name_and_by_a_picture(fields, expected):
    view = ChannelsView(**fields)
    rows = channels.filter_of(view).listed(STATS)
    shares = np.array([0.2, 0.1, 0.3, np.nan, 0.0])
    assert channels.listed(rows, view, {1, 4}, shares)["channel"].to_pylist() == expected
    without = channels.listed(rows, view, {1, 4}, None)["channel"].to_pylist()
    assert without == ([1, 4] if "named" in fields else [0, 1, 2, 3, 4])


def test_next_and_previous_follow_the_list():
    shown = channels.filter_of(ChannelsView(sort="mean", only="live")).listed(STATS)
    assert channels.beside(shown, 2) == (1, 4, 1)
    assert channels.beside(shown, 1) == (None, 2, 0)
    assert channels.beside(shown, 0) == (4, None, 3)
    assert channels.beside(shown, 3) == (None, 1, None)


def test_patches_are_counted_by_class():
    found = classes.by_class([3.0, 2.0, 1.0, 5.0], ["ant", "bee", "ant", None])
    assert [(each.name, each.patches, each.mean) for each in found] == [
        ("ant", 2, 2.0),
        ("", 1, 5.0),
        ("bee", 1, 2.0),
    ]
    bars = list(classes.bars(found, str))
    assert [each.name for each in bars] == ["ant", "no label", "bee"]
    assert [each.share for each in bars] == [0.4, 1.0, 0.4]
    assert [each.text for each in bars] == [
        "2, 2 of the patches",
        "5, 1 of the patches",
        "2, 1 of the patches",
    ]


@pytest.mark.parametrize("top, rest", [(3.0, 1.0), (2.0, 2.0), (1.0, 0.0)])
def test_selectivity_says_how_many_times_as_strong(top, rest):
    expected = top / rest if rest else float("inf")
    assert classes.times_as_strong((top - rest) / (top + rest)) == pytest.approx(expected)
