"""Keeps a page's view, its widgets and its address the same.

The widget of field F has the key `key(cls, F)`. An address that this session did not write itself (a link,
Back, Forward, another page) decides over the widgets; otherwise the widgets decide. The address is written
once in each run of the script, and only where it changes, so that every change is one entry of the browser's
history.
"""

import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeVar

import streamlit as st

from dashboard.views.state import MethodView, Notes, ViewState, read_parameters

View = TypeVar("View", bound=ViewState)

WRITTEN, REMEMBERED, REPUBLISH = "address written", "remembered", "republish"
DRAWN = ", as drawn"
CARRIED = ("store", "run", "image", "upload", "layer", "channel", "target", "map")
"""Fields that a click in the navigation takes along to the next page."""
BESIDE = ("other_store", "other_run")
"""Fields that were chosen to go with a run, and are not kept for another one."""


def key(cls: type[ViewState], name: str) -> str:
    """Return the key of the widget of a view's field."""
    return f"{cls.page}.{name}"


def parameter_key(cls: type[ViewState], method: str, name: str) -> str:
    """Return the key of the widget of a method's parameter."""
    return f"{cls.page}.{method}.{name}"


def drawn_key(key: str) -> str:
    """Return the key of a widget that draws the session's value of `key` in another way."""
    return f"{key}{DRAWN}"


def current(cls: type[View]) -> tuple[View, Notes]:
    """Return the page's view in this run of the script, and notes; call it before the widgets are made."""
    return decide(cls, st.query_params.to_dict(), st.session_state)


def settle(view: ViewState) -> None:
    """Give the widgets and the address the values of `view`."""
    query = view.to_query()
    remember(view, st.session_state)
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)


def change(cls: type[ViewState], **fields: Any) -> None:
    """Set fields of a page's view from a callback, which runs before the script."""
    for name, value in fields.items():
        st.session_state[key(cls, name)] = value


def rerun() -> None:
    """Run the script again from within a fragment.

    The browser may not have drawn the widgets of the run before, and would then draw them at their defaults;
    so their values are sent once more.
    """
    st.session_state[REPUBLISH] = True
    st.rerun()


def decide(cls: type[View], query: Mapping[str, str], session: Mapping[str, Any]) -> tuple[View, Notes]:
    """Return the view: from the widgets where the address is the one written last, else from the address."""
    view, notes = cls.from_query(query or _remembered(cls, session))
    if session.get(WRITTEN) != (cls.page, dict(query)):
        return view, notes
    # Through the address once more: what a browser sends for a widget is held to the same bounds as a link.
    chosen, notes = cls.from_query(_from_widgets(view, session).to_query())
    # A proof is of the very view that its link opened on.
    return (chosen if chosen == view else dataclasses.replace(chosen, proof="")), notes


def remember(view: ViewState, session: MutableMapping[str, Any]) -> None:
    """Write the view's values into the session: for the widgets, and for the pages that are visited next."""
    cls, query = type(view), view.to_query()
    everything = session.pop(REPUBLISH, False) or _is_of_other_runs(query, session)
    if everything:
        for name in [name for name in session if str(name).endswith(DRAWN)]:
            del session[name]
    for name, value in _widget_values(view).items():
        if everything or name not in session or session[name] != value:
            session[name] = value
    session[WRITTEN] = (cls.page, query)
    known = session.get(REMEMBERED, {})
    carried = known.get("*", {}) | {name: query[name] for name in CARRIED if name in query}
    left = {name: text for name, text in query.items() if name != "proof"}
    session[REMEMBERED] = {**known, cls.page: left, "*": carried}


def _is_of_other_runs(query: Mapping[str, str], session: Mapping[str, Any]) -> bool:
    """Return whether the view is of other runs than before.

    A browser names what is chosen by its label ("conv1 (16 channels)"), which another run may not have, and
    would send the old label with the next click; so all values are then sent to it once more.
    """
    _, before = session.get(WRITTEN, ("", {}))
    return any(query.get(name) != before.get(name) for name in ("store", "run", *BESIDE))


def following(cls: type[View], view: ViewState, session: Mapping[str, Any]) -> View:
    """Return the view that the navigation shows on another page: as it was left, with what is carried on."""
    query = view.to_query()
    carried = {name: query[name] for name in CARRIED if name in query}
    left = session.get(REMEMBERED, {}).get(cls.page, {})
    other = any(left.get(name) != query.get(name) for name in ("store", "run"))
    known = _remembered(cls, session)
    kept = {name: text for name, text in known.items() if not (other and name in BESIDE)}
    return cls.from_query(kept | carried)[0]


def _remembered(cls: type[ViewState], session: Mapping[str, Any]) -> dict[str, str]:
    known = session.get(REMEMBERED, {})
    return known.get(cls.page, {}) | known.get("*", {})


def _from_widgets(view: View, session: Mapping[str, Any]) -> View:
    names = [each.name for each in dataclasses.fields(view) if each.name != "parameters"]
    held = {name: session.get(key(type(view), name)) for name in names}
    # A widget that is not on the page has no value; neither has a segmented control that was clicked off.
    chosen = dataclasses.replace(view, **{name: value for name, value in held.items() if value is not None})
    return _with_parameters(chosen, view, session) if isinstance(view, MethodView) else chosen


def _with_parameters(chosen: MethodView, addressed: MethodView, session: Mapping[str, Any]) -> MethodView:
    declared, _ = read_parameters(chosen.method, {})
    written = dict(addressed.parameters) if addressed.method == chosen.method else {}
    values = []
    for name, default in declared:
        held = session.get(parameter_key(type(chosen), chosen.method, name))
        values.append((name, written.get(name, default) if held is None else held))
    return dataclasses.replace(chosen, parameters=tuple(values))


def _widget_values(view: ViewState) -> dict[str, Any]:
    cls = type(view)
    values = {
        key(cls, each.name): getattr(view, each.name)
        for each in dataclasses.fields(view)
        if each.name != "parameters"
    }
    if isinstance(view, MethodView):
        values |= {parameter_key(cls, view.method, name): value for name, value in view.parameters}
    return values
