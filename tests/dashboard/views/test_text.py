"""Names and other texts are escaped for Streamlit's Markdown."""

import re

import pytest

from dashboard.text import percent, plain

NAMES = [
    "a b",
    "x *y* _z_",
    ":red[r] $m$",
    "1. one",
    "- dash",
    "# head",
    "<b>bold</b>",
    "`code` [l](u)",
    "~~s~~ | t",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_mark_is_escaped_and_nothing_is_lost(name):
    text = plain(name)
    assert re.sub(r"\\(.)", r"\1", text) == name
    assert re.fullmatch(r"(\\.|[^\W_]|\s|/)*", text)


def test_line_ends_and_outer_spaces_go():
    assert plain(" a\n\nb ") == "a b"


def test_only_all_of_it_is_said_to_be_100_percent():
    said = {0.0: "0%", 0.974: "97%", 0.9951: "99.5%", 0.9998: "99.98%", 0.999999: ">99.99%", 1: "100%"}
    assert {share: percent(share) for share in said} == said
