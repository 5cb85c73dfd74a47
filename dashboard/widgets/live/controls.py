"""Controls made from what a method declares: one a parameter, and those of the inputs that it takes."""

import dataclasses
import math
from typing import Any

import streamlit as st

from compute.methods.base import CHANNEL, LAYER, NEURON, TARGET, Method
from dashboard.views import binding
from dashboard.views.state import Choices, LiveView, MethodView

FEW = 4
"""Choices up to which all are shown side by side."""

PLAIN = 4
"""Parameters that are always shown; the others wait in an expander."""


def parameter_controls(view: MethodView) -> None:
    """Values go to the session by `binding.parameter_key`; a change takes back what was started."""
    method = type(view.built())
    declared = method.parameters()
    plain, rest = (declared, ()) if len(declared) <= PLAIN + 1 else (declared[:PLAIN], declared[PLAIN:])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for each in plain:
            _control(view, method, each)
    if rest:
        with (
            st.expander(f"{len(rest)} more parameters", icon=":material/tune:"),
            st.container(horizontal=True, vertical_alignment="bottom"),
        ):
            for each in rest:
                _control(view, method, each)


def input_controls(view: LiveView, facts: Choices) -> None:
    """Class, layer, channel and unit, where the method reads them."""
    method = type(view.built())
    reads = method.needs | method.takes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if TARGET in reads:
            _choice(view, "target", "Class", facts.classes, TARGET not in method.needs, "automatic")
        if reads & {LAYER, CHANNEL, NEURON}:
            needed = bool(method.needs & {LAYER, CHANNEL, NEURON})
            _choice(view, "layer", "Layer", tuple(facts.layers), not needed, "none")
        if view.layer and reads & {CHANNEL, NEURON}:
            optional = not method.needs & {CHANNEL, NEURON}
            low, help = (-1, "-1 for the whole layer") if optional else (0, None)
            _number(view, "channel", "Channel", low, facts.layers[view.layer] - 1, help)
        if view.layer and view.channel >= 0 and NEURON in reads:
            _number(view, "y", "Row", -1, None, "Of one unit in the channel's map; -1 for the whole channel")
            _number(
                view, "x", "Column", -1, None, "Of one unit in the channel's map; -1 for the whole channel"
            )
        if method.any_size:
            st.toggle(
                "Whole picture",
                key=binding.key(type(view), "whole"),
                on_change=_unstart,
                args=(type(view),),
                help="In its own size, not the network's crop",
            )


SYMBOLS = {"linf": "L∞", "linf_255": "L∞ (1/255)", "l2": "L2", "epsilon_255": "Epsilon (1/255)"}


def spoken(name: str) -> str:
    """A parameter's or number's name for people."""
    if name in SYMBOLS:
        return SYMBOLS[name]
    text = name.replace("_", " ")
    return text[0].upper() + text[1:]


def _control(view: MethodView, method: type[Method], each: dataclasses.Field) -> None:
    facts = each.metadata
    common = {
        "key": binding.parameter_key(type(view), method.name, each.name),
        "help": _help(facts),
        "on_change": _unstart,
        "args": (type(view),),
    }
    label = spoken(each.name) + (f" ({facts['unit']})" if facts["unit"] else "")
    if facts["choices"] is not None and len(facts["choices"]) <= FEW:
        st.segmented_control(label, facts["choices"], **common)
    elif facts["choices"] is not None:
        st.selectbox(label, facts["choices"], width=200, **common)
    elif isinstance(each.default, bool):
        st.toggle(label, **common)
    elif isinstance(each.default, str):
        st.text_input(label, width=200, **common)
    else:
        st.number_input(label, width=200, **_bounds(each), **common)


def _bounds(each: dataclasses.Field) -> dict[str, Any]:
    """A number's bounds and step, all of its own type, as Streamlit wants them."""
    kind, facts = type(each.default), each.metadata
    bounds = {
        name: kind(facts[end])
        for name, end in (("min_value", "low"), ("max_value", "high"))
        if facts[end] is not None and abs(facts[end]) < 2**53
    }
    return bounds if kind is int else bounds | {"step": _step(each.default), "format": "%.6g"}


def _step(default: float) -> float:
    """A tenth of the default's power of ten."""
    return 0.1 if default == 0 else 10.0 ** (math.floor(math.log10(abs(default))) - 1)


def _help(facts: Any) -> str:
    text = facts["help"]
    return f"{text[0].upper()}{text[1:]}" + (f"  \n*{facts['source']}*" if facts["source"] else "")


def _choice(
    view: LiveView, name: str, label: str, options: tuple[str, ...], optional: bool, none: str
) -> None:
    st.selectbox(
        label,
        ("", *options) if optional else options,
        key=binding.key(type(view), name),
        format_func=lambda option: option or none,
        on_change=_unstart,
        args=(type(view),),
        width=240,
    )


def _number(
    view: LiveView, name: str, label: str, low: int, high: int | None, help: str | None = None
) -> None:
    st.number_input(
        label,
        min_value=low,
        max_value=high,
        step=1,
        key=binding.key(type(view), name),
        on_change=_unstart,
        args=(type(view),),
        help=help,
        width=140,
    )


def _unstart(cls: type[MethodView]) -> None:
    """What was started was started with other parameters; a page that starts by itself starts anew."""
    binding.change(cls, live=cls.live)
