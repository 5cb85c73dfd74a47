"""What a live result comes to: one line for people, and what a fooling picture survives."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from compute.methods.base import Method
from compute.methods.synthesis.attack import Attack
from dashboard.text import percent, plain, sentence

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
Titled = Callable[[str], str]


def headline(method: Method, numbers: Mapping[str, Any], titled: Titled = str) -> str:
    """Return a result in a line of Markdown, such as "motorcycle → rocket, 62%, ±8/255"; "" for none.

    titled: says what a class is called.
    """
    if isinstance(method, Attack):
        return _fooling(numbers, titled)
    if "class" in numbers and "probability" in numbers:
        return f"{plain(titled(numbers['class']))}, {percent(numbers['probability'])}"
    return ""


def survival(numbers: Mapping[str, Any], titled: Titled = str) -> None:
    """Draw a small table of what the fooling survives; nothing for another result, or where it failed."""
    if not numbers.get("success") or not numbers.get("survival"):
        return
    st.markdown("**What the fooling survives**")
    rows = {
        _named(name): _survived(each, numbers["predicted"], titled)
        for name, each in numbers["survival"].items()
    }
    st.table({"": rows}, border="horizontal", hide_header=True)


def _named(alteration: str) -> str:
    """Return an alteration's name, such as "jpeg 95", as people write it."""
    name = alteration.replace("jpeg", "JPEG")
    return name[0].upper() + name[1:]


def _survived(altered: Mapping[str, Any], fooled_into: str, titled: Titled) -> str:
    """Say what an altered picture is taken for."""
    still = "still " if altered["predicted"] == fooled_into else ""
    mark = ":material/check:" if altered["fooled"] else ":material/close:"
    return f"{mark} {still}{plain(titled(altered['predicted']))}, {percent(altered['predicted_probability'])}"


def _fooling(numbers: Mapping[str, Any], titled: Titled) -> str:
    if not numbers.get("success"):
        return sentence(numbers.get("note", "not fooled"))
    before, after = (plain(titled(numbers[name])) for name in ("predicted_before", "predicted"))
    if "labels" in numbers:
        before, after = (
            ", ".join(plain(titled(each)) for each in numbers[name]) or "no label"
            for name in ("labels_before", "labels")
        )
    share = percent(numbers["predicted_probability"])
    return f"{before} → {after}, {share}, {PLUS_MINUS}{numbers['linf_255']}/255"
