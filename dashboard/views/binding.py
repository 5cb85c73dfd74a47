"""Keeps a page's view, its widgets and its address the same.

The widget of field F has the key `key(cls, F)`. The address is the truth. Only where it is the one that this
session wrote last (no link, Back, Forward or other page), the widgets that the page has drawn, and callbacks,
decide over it; what none of these holds, such as a setting of another tab or of a closed panel, is taken from
the address. It is written once in each run of the script, and only where it changes, so that every change is
one entry of the browser's history.

A browser that is far away asks for the next run before it has the address that the last one wrote. So a
widget that nobody sees (`SEEN`) brings back which address it had: one that a person went to differs from
that, and one that is only late is answered from the latest.
"""

import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.views.query_text import Notes
from dashboard.views.state import MethodView, ViewState, fields_of

View = TypeVar("View", bound=ViewState)

WRITTEN, REMEMBERED, REPUBLISH = "address written", "remembered", "republish"
HELD, DRAWING = "held by widgets", "widgets of this run"
"""Keys that hold what a person chose: those of the widgets drawn before this run, and drawn in it so far.

Of all other keys the session has values from before: Streamlit forgets a widget's value when the widget goes,
and what was set under its key earlier shows through.
"""
SEEN = "address that the browser has"
CALLED, UNSEEN = "set by callbacks of this run", "set since the browser's address"
"""Keys whose widgets a late browser may have at what they were before: the page has set them, no person."""
DRAWN = ", as drawn"
BESIDE = ("other_store", "other_run")
"""Fields that were chosen to go with a run, and are not kept for another one."""


def key(cls: type[ViewState], name: str) -> str:
    """Return the key of a view's field for its widget, which is about to be drawn."""
    return _drawn(_key(cls, name))


def parameter_key(cls: type[ViewState], method: str, name: str) -> str:
    """Return the key of a method's parameter for its widget, which is about to be drawn."""
    return _drawn(_parameter_key(cls, method, name))


def drawn_key(key: str) -> str:
    """Return the key of a widget that draws the session's value of `key` in another way."""
    return _drawn(f"{key}{DRAWN}")


def current(cls: type[View]) -> tuple[View, Notes]:
    """Return the page's view in this run of the script, and notes; call it before the widgets are made."""
    session = st.session_state
    # A run that was cut off by the next one has drawn some of its widgets, and the others are there still.
    session[HELD] = session.get(HELD, frozenset()) | session.get(DRAWING, frozenset())
    session[DRAWING] = frozenset()
    called, query = session.pop(CALLED, frozenset()), st.query_params.to_dict()
    if _is_from_history():
        session[SEEN] = ""
    late = _is_late(cls, query, session)
    session[UNSEEN] = session.get(UNSEEN, frozenset()) - called if late else frozenset()
    decided = decide(cls, query, session)
    session[UNSEEN] |= called
    return decided


def finished() -> None:
    """Note that the page was drawn to its end: the widgets that it has not drawn are gone."""
    st.session_state[HELD] = st.session_state.get(DRAWING, frozenset())


def settle(view: ViewState) -> None:
    """Give the widgets and the address the values of `view`."""
    query = view.to_query()
    remember(view, st.session_state)
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    with st.container(key="seen"):
        st.text_input("The address of what is shown", key=SEEN)


def change(cls: type[ViewState], **fields: Any) -> None:
    """Set fields of a page's view from a callback, which runs before the script."""
    for name, value in fields.items():
        hold(_key(cls, name), value)


def hold(key: str, value: Any) -> None:
    """Set the value under a key from a callback, whether its widget is drawn or not."""
    st.session_state[key] = value
    for keys in (HELD, CALLED):
        st.session_state[keys] = st.session_state.get(keys, frozenset()) | {key}


def rerun() -> None:
    """Run the script again from within a fragment.

    The browser may not have drawn the widgets of the run before, and would then draw them at their defaults;
    so their values are sent once more.
    """
    st.session_state[REPUBLISH] = True
    st.rerun()


def decide(cls: type[View], query: Mapping[str, str], session: Mapping[str, Any]) -> tuple[View, Notes]:
    """Return the view: from the widgets where the address is the session's own, else from the address.

    Its own is the one written last, and one before where the browser did not have the last yet.
    """
    view, notes = cls.from_query(query) if query else (_as_left(cls, session), ())
    shown: dict[str, Any] = {}
    if _is_late(cls, query, session):
        shown = {key: value for key, value in _widget_values(view).items() if key in session.get(UNSEEN, ())}
        view, _ = cls.from_query(session[WRITTEN][1])
    elif session.get(WRITTEN) != (cls.page, dict(query)):
        return view, notes
    # Through the address once more: what a browser sends for a widget is held to the same bounds as a link.
    chosen, notes = cls.from_query(_from_widgets(view, session, shown).to_query())
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
        give(name, value, session, everything)
    session[WRITTEN], session[SEEN] = (cls.page, query), urlencode(query)
    known = session.get(REMEMBERED, {})
    carried = known.get("*", {}) | view.carried()
    left = {name: text for name, text in query.items() if name != "proof"}
    session[REMEMBERED] = {**known, cls.page: left, "*": carried}


def give(key: str, value: Any, session: MutableMapping[str, Any], always: bool = False) -> None:
    """Set what is under a key, unless its widget stands on the page and has that value already.

    A browser draws a widget that is new on the page at its default, unless the value was set in the same run.
    What it has itself is not sent back: it may have gone on from there meanwhile.
    """
    drawn = key in session.get(HELD, ())
    if drawn and session.get(key) != value:
        session[UNSEEN] = session.get(UNSEEN, frozenset()) | {key}
    if always or not drawn or key in session.get(UNSEEN, ()):
        session[key] = value


def _is_of_other_runs(query: Mapping[str, str], session: Mapping[str, Any]) -> bool:
    """Return whether the view is of other runs than before.

    A browser names what is chosen by its label ("conv1 (16 channels)"), which another run may not have, and
    would send the old label with the next click; so all values are then sent to it once more.
    """
    _, before = session.get(WRITTEN, ("", {}))
    return any(query.get(name) != before.get(name) for name in ("store", "run", *BESIDE))


def following(cls: type[View], view: ViewState, session: Mapping[str, Any]) -> View:
    """Return the view that the navigation shows on another page: as it was left, with what is carried on."""
    carried, known = view.carried(), session.get(REMEMBERED, {})
    left = known.get(cls.page, {})
    other = any(left.get(name) != carried.get(name) for name in ("store", "run"))
    kept = {name: text for name, text in left.items() if not (other and name in BESIDE)}
    return cls.taking(kept, known.get("*", {}) | carried)


def _as_left(cls: type[View], session: Mapping[str, Any]) -> View:
    """Return the page's view as it was left, with what was carried on since."""
    known = session.get(REMEMBERED, {})
    return cls.taking(known.get(cls.page, {}), known.get("*", {}))


def _is_late(cls: type[ViewState], query: Mapping[str, str], session: Mapping[str, Any]) -> bool:
    """Return whether the browser asked for this run where it was, before it had the page's latest address."""
    page, written = session.get(WRITTEN, ("", {}))
    return page == cls.page and query != written and session.get(SEEN) == urlencode(query)


def _is_from_history() -> bool:
    """Return whether this run was asked for by Back or Forward."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def _from_widgets(view: View, session: Mapping[str, Any], shown: Mapping[str, Any]) -> View:
    """shown: by key, what a late browser shows that does not know better."""
    cls = type(view)
    held = {each.name: _held(_key(cls, each.name), session, shown) for each in fields_of(cls)}
    chosen = {name: value for name, value in held.items() if value is not None}
    if not isinstance(view, MethodView):
        return dataclasses.replace(view, **chosen)
    method = chosen.pop("method", view.method)
    view = dataclasses.replace(view, parameters=_held_parameters(view, session, shown))
    return view.turned_to(method, **chosen)


def _held(key: str, session: Mapping[str, Any], shown: Mapping[str, Any]) -> Any:
    """Return what a person chose under a key; None where its widget was not drawn or is clicked off."""
    value = session.get(key) if key in session.get(HELD, ()) else None
    return None if key in shown and value == shown[key] else value


def _held_parameters(
    view: MethodView, session: Mapping[str, Any], shown: Mapping[str, Any]
) -> tuple[tuple[str, Any], ...]:
    keys = {name: _parameter_key(type(view), view.method, name) for name, _ in view.parameters}
    held = {name: _held(key, session, shown) for name, key in keys.items()}
    return tuple((name, value if held[name] is None else held[name]) for name, value in view.parameters)


def _widget_values(view: ViewState) -> dict[str, Any]:
    cls = type(view)
    values = {_key(cls, each.name): getattr(view, each.name) for each in fields_of(cls)}
    if isinstance(view, MethodView):
        values |= {_parameter_key(cls, view.method, name): value for name, value in view.parameters}
    return values


def _key(cls: type[ViewState], name: str) -> str:
    return f"{cls.page}.{name}"


def _parameter_key(cls: type[ViewState], method: str, name: str) -> str:
    return f"{cls.page}.{method}.{name}"


def _drawn(key: str) -> str:
    st.session_state[DRAWING] = st.session_state.get(DRAWING, frozenset()) | {key}
    return key
