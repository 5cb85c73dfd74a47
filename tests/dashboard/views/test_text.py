"""Names and other texts are escaped for Streamlit's Markdown."""

import re
import shlex
import shutil
import subprocess

import pytest

from dashboard.text import BREAK, NOT_SHOWN, choice_names, command_line, one_line, percent, plain, sentence
from tests.support.page_app import unescaped

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
    "https://a.example/x www.a.example WWW.a.example me@a.example",
    ":smile: :material/delete: :streamlit: -> -- <-> >= ~= <=",
]

LATE = [
    r"https?://",
    r"www\.",
    r"\w@\w",
    r":[\w+/-]+:",
    r"(?<!\S)(<->|->|<-|--|>=|<=|~=)(?!\S)",
]
"""What Streamlit's Markdown makes links, icons and signs of in a text without a break."""


@pytest.mark.parametrize("name", NAMES)
def test_every_mark_is_escaped_and_nothing_is_lost(name):
    text = plain(name)
    assert unescaped(text) == name
    assert re.fullmatch(rf"(\\.|[^\W_]|\s|[/@]|{re.escape(BREAK)})*", text)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_found_once_escapes_are_read(name):
    parts = [re.sub(r"\\(.)", r"\1", part) for part in plain(name).split(BREAK)]
    assert [part for part in parts for each in LATE if re.search(each, part, re.IGNORECASE)] == []


def test_no_character_turns_the_direction_or_breaks_the_line():
    assert (
        one_line("a\u202egnp.exe \u2066b\x00\x1b[31m\nc\u2028d\ud800")
        == "a\ufffdgnp.exe \ufffdb\ufffd\ufffd[31m c d\ufffd"
    )
    assert one_line("שלום עולם") == "שלום עולם"


def test_a_sentence_shows_a_text_as_it_is_and_our_commands_as_code():
    assert sentence("use `make store` or `--device cpu`") == r"Use `make store` or `--device cpu`\."
    hostile = "no store '` **Expired:** [log in](https://a.example) `x`'; there are a, b"
    said = sentence(hostile)
    assert unescaped(said) == f"N{hostile[1:]}." and "`" not in said.replace(r"\`", "") and "](" not in said


def test_line_ends_and_outer_spaces_go():
    assert plain(" a\n\nb ") == "a b"


def test_only_all_of_it_is_said_to_be_100_percent():
    said = {0.0: "0%", 0.974: "97%", 0.9951: "99.5%", 0.9998: "99.98%", 0.999999: ">99.99%", 1: "100%"}
    assert {share: percent(share) for share in said} == said


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    "name", ["\u202egnp.exe", "it's \u2066a\nb", "plain", "$a_$ `c` \\u0041", "\x1b[31m"]
)
def test_a_command_line_shows_what_it_says_and_says_the_same(name):
    line = command_line(shlex.join(["printf", "%s", name]))
    assert NOT_SHOWN.search(line) is None
    environment = {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", line], capture_output=True, env=environment, check=True)
    assert done.stdout.decode() == name


def test_choices_are_called_apart_and_turn_no_direction():
    options = ("", "any class", "\u202egnp.exe", "\u2066gnp.exe", "a  b", "a b", "any class (2)")
    called = choice_names(options, lambda name: name or "any class")
    assert [called(each) for each in options] == [
        "any class", "any class (2)", "\ufffdgnp.exe", "\ufffdgnp.exe (2)", "a b", "a b (2)",
        "any class (2) (2)",
    ]  # fmt: skip
    assert called("\u202eanother\none") == "\ufffdanother one"
