"""Controls made from what a method declares: one for each parameter, and one for each input it takes."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from compute.methods.base import CHANNEL, LAYER, NEURON, TARGET, Method
from dashboard.findings.names import Names
from dashboard.findings.names.class_box import class_box
from dashboard.text import choice_names, plain
from dashboard.views import binding
from dashboard.views.state import Choices, LiveView, MethodView
from dashboard.widgets.optional_number import optional_number

FEW = 5
"""Choices up to which all are shown side by side."""

PLAIN = 4
"""Parameters that are always shown; the others wait in an expander."""


def parameter_controls(view: MethodView) -> None:
    """Draw a control for each parameter of the view's method.

    The values go to the session, under `binding.parameter_key`. A change takes back what was started.
    """
    method = type(view.built())
    parameters = method.parameters()
    shown = len(parameters) if len(parameters) <= PLAIN + 1 else PLAIN
    first, rest = parameters[:shown], parameters[shown:]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for parameter in first:
            _control(view, method, parameter)
    if rest:
        with (
            st.expander(f"{len(rest)} more parameters", icon=":material/tune:"),
            st.container(horizontal=True, vertical_alignment="bottom"),
        ):
            for parameter in rest:
                _control(view, method, parameter)


def input_controls(view: LiveView, choices: Choices, names: Names) -> None:
    """Draw the controls of class, layer, channel and unit, as far as the view's method asks for them."""
    method, reads = type(view.built()), view.asks
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if TARGET in reads:
            without = None if TARGET in method.needs else method.without_target
            classes = choices.classes if without is None else ("", *choices.classes)
            key, unstart = binding.key(type(view), "target"), {"on_change": _unstart, "args": (type(view),)}
            class_box("Class", classes, key, names, without, width=240, **unstart)
        if reads & {LAYER, CHANNEL, NEURON}:
            needed = method.needs & {LAYER, CHANNEL, NEURON}
            _choice(view, "layer", "Layer", tuple(choices.layers), None if needed else method.without_layer)
        if view.layer and reads & {CHANNEL, NEURON}:
            needed = method.needs & {CHANNEL, NEURON}
            last = choices.layers[view.layer] - 1
            _number(view, "channel", "Channel", None if needed else "whole layer", last)
            if (name := names.channel(view.layer, view.channel)) is not None:
                st.markdown(f"**{plain(name)}**", width="content")
        if view.layer and view.channel >= 0 and NEURON in reads:
            _number(view, "y", "Row", "whole channel", help="Of one unit in the channel's map")
            _number(view, "x", "Column", "whole channel", help="Of one unit in the channel's map")
        if method.any_size:
            st.toggle(
                "Whole picture",
                key=binding.key(type(view), "whole"),
                on_change=_unstart,
                args=(type(view),),
                help="All of it, not the network's crop: scaled as the side says, to at most "
                f"{method.most_pixels / 1e6:g} megapixels",
            )


SYMBOLS = {"linf": "L∞", "linf_255": "L∞ (1/255)", "l2": "L2", "epsilon_255": "Epsilon (1/255)"}


def spoken(name: str) -> str:
    """Return a parameter's or number's name for people."""
    if name in SYMBOLS:
        return SYMBOLS[name]
    text = name.replace("_", " ")
    return text[0].upper() + text[1:]


def _control(view: MethodView, method: type[Method], parameter: dataclasses.Field) -> None:
    declared = parameter.metadata
    key = binding.parameter_key(type(view), method.name, parameter.name)
    common = {"help": _help(declared), "on_change": _unstart, "args": (type(view),)}
    label = spoken(parameter.name) + (f" ({declared['unit']})" if declared["unit"] else "")
    choices, special = declared["choices"], declared["special"]
    if choices is not None:
        select = st.segmented_control if len(choices) <= FEW else st.selectbox
        width = "content" if len(choices) <= FEW else 200
        common |= {"format_func": lambda value: special.get(value, value)}
        select(label, choices, key=key, width=width, **common)
    elif isinstance(parameter.default, bool):
        st.toggle(label, key=key, **common)
    elif isinstance(parameter.default, str):
        st.text_input(label, width=200, key=key, **common)
    elif special:
        # The box is empty at one of the values with a meaning, and says how that begins; the help says all.
        value = parameter.default if parameter.default in special else next(iter(special))
        optional_number(
            label, key, value, special[value].partition(",")[0], width=260, **_bounds(parameter), **common
        )
    else:
        st.number_input(label, width=200, key=key, **_bounds(parameter), **common)


def _bounds(parameter: dataclasses.Field) -> dict[str, Any]:
    """Return a number's bounds and step, all of its own type, as Streamlit wants them."""
    kind, declared = type(parameter.default), parameter.metadata
    bounds = {
        name: kind(declared[end])
        for name, end in (("min_value", "low"), ("max_value", "high"))
        if declared[end] is not None and abs(declared[end]) < 2**53
    }
    if kind is int:
        return bounds | {"step": 1}
    return bounds | {"step": _step(parameter.default), "format": "%.6g"}


def _step(default: float) -> float:
    """Return a tenth of the default's power of ten."""
    return 0.1 if default == 0 else 10.0 ** (math.floor(math.log10(abs(default))) - 1)


def _help(declared: Mapping[str, Any]) -> str:
    text, source = declared["help"], declared["source"]
    return f"{text[0].upper()}{text[1:]}" + (f"  \n*{source}*" if source else "")


def _choice(view: LiveView, name: str, label: str, options: tuple[str, ...], without: str | None) -> None:
    """without: what it means to choose none; None where one must be chosen."""
    offered = options if without is None else ("", *options)
    st.selectbox(
        label,
        offered,
        key=binding.key(type(view), name),
        format_func=choice_names(offered, lambda option: option or without),
        on_change=_unstart,
        args=(type(view),),
        width=240,
    )


def _number(
    view: LiveView,
    name: str,
    label: str,
    without: str | None,
    last: int | None = None,
    help: str | None = None,
) -> None:
    """without: what an empty box means; None where there must be a number. last: the greatest number."""
    key = binding.key(type(view), name)
    options = {"min_value": 0, "max_value": last, "step": 1, "help": help}
    options |= {"on_change": _unstart, "args": (type(view),)}
    if without is None:
        st.number_input(label, key=key, width=140, **options)
    else:
        optional_number(label, key, -1, without, width=160, **options)


def _unstart(cls: type[MethodView]) -> None:
    """Take back what was started, which had other parameters; a page that starts by itself starts anew."""
    binding.change(cls, live=cls.live)
