"""The Compare page: two runs over the same images, and what changed from the first to the other."""

import dataclasses

import streamlit as st

from dashboard.data import comparison, partners, runs
from dashboard.data.comparison import Pair
from dashboard.sections.compare import channels, maps, neighbors, other_run, predictions, series, summary
from dashboard.sections.compare.shared_images import turn_back
from dashboard.text import choice_names, counted, plain
from dashboard.views import binding
from dashboard.views.definitions import CompareView
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened, open_page
from featurestore.reader import Run, Store

TABS = {
    "summary": ("Summary", summary.draw),
    "predictions": ("Predictions", predictions.draw),
    "neighbors": ("Neighbours", neighbors.draw),
    "channels": ("Channels", channels.draw),
    "maps": ("Maps", maps.draw),
    "series": ("Series", series.draw),
}


def complete(view: CompareView, run: Run) -> CompareView:
    """Return the view with another run, where the address names none and there is one over these images.

    A series is named run by run, as the link is of these alone.
    """
    listed = runs.stores()
    if view.tab == "series":
        view = partners.completed(view, run)
    view = dataclasses.replace(view, other_store=comparison.other_store(view))
    if not view.other_store:
        store, fingerprint = partners.partner(view.store, run) or ("", "")
        return dataclasses.replace(view, other_store=store, other_run=fingerprint)
    if not view.other_run and view.other_store in listed:
        fingerprint = partners.current(view.other_store)
        return dataclasses.replace(view, other_run=fingerprint or "")
    return view


def draw(opened: Opened[CompareView]) -> None:
    """Draw the page."""
    _choose(opened)
    view = opened.view
    if not view.other_store:
        other_run.none_yet(view, opened.run)
        return
    try:
        other = runs.open_run(view.other_store, view.other_run)
    except ValueError as error:
        other_run.gone(view, str(error))
        return
    other_run.offer(view, other)
    pair = Pair(view, opened.run, other)
    matched = pair.matched
    if not len(matched):
        _nothing_in_common(pair)
        return
    _say_common(pair)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.segmented_control(
            "Compare",
            list(TABS),
            key=binding.key(CompareView, "tab"),
            format_func=lambda tab: TABS[tab][0],
            label_visibility="collapsed",
            on_change=turn_back,
        )
        download_menu(opened)
    TABS[view.tab][1](pair)


def _choose(opened: Opened[CompareView]) -> None:
    view = opened.view
    stores = list(dict.fromkeys([*runs.stores(), view.other_store]))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Compare with",
            stores,
            key=binding.key(CompareView, "other_store"),
            width=220,
            format_func=choice_names(stores, lambda name: name or "choose a store"),
            help="The other store: another network's predictions, features and maps of the same images",
            on_change=lambda: binding.change(CompareView, other_run="", wall_page=1),
        )
        if view.other_store:
            fingerprints = _runs(view)
            st.selectbox(
                "Its run",
                fingerprints,
                key=binding.key(CompareView, "other_run"),
                width=480,
                format_func=choice_names(fingerprints, lambda each: _described(view.other_store, each)),
            )
            swap = {"on_click": _swap, "args": (view,), "help": "First and other"}
            st.button("Swap", icon=":material/swap_horiz:", **swap)
    st.caption(f"From **{plain(view.store)}**, {plain(_described(view.store, view.run))}")


def _runs(view: CompareView) -> list[str]:
    listed = runs.stores()
    fingerprints = Store(listed[view.other_store]).runs() if view.other_store in listed else []
    return list(dict.fromkeys([*fingerprints, view.other_run]))


def _described(store: str, fingerprint: str) -> str:
    """Describe a run by its network, its number of images, its accuracy and when it was made."""
    try:
        run = runs.open_run(store, fingerprint)
    except ValueError:
        return f"{fingerprint or 'no run'} (can't be read)"
    manifest, model = run.manifest, run.manifest.model
    right = (model.get("accuracy") or {}).get("all")
    parts = [
        str(model.get("name", "network")),
        counted(manifest.images["count"]) if "count" in manifest.images else "",
        "" if right is None else f"{right:.1%} right",
        runs.when_made(run),
        fingerprint[:6],
    ]
    return " · ".join(filter(None, parts))


def _swap(view: CompareView) -> None:
    """Exchange the two runs. Image, channel and layer are the first run's, so they are not kept."""
    binding.change(
        CompareView,
        store=view.other_store,
        run=view.other_run,
        other_store=view.store,
        other_run=view.run,
        image=-1,
        layer="",
        channel=-1,
        camera="",
        wall_page=1,
    )


def _nothing_in_common(pair: Pair) -> None:
    st.info(
        f"These runs have no image in common: store {plain(pair.view.store)} is over the images "
        f"{_images(pair.run)}, store {plain(pair.view.other_store)} over "
        f"{_images(pair.other)}. Images are matched by the SHA-256 of their bytes. "
        "Choose another store above, or make one of the other network over the same images:",
        icon=":material/compare:",
    )
    st.code(other_run.command(pair.view, pair.run), language="shell", wrap_lines=True)


def _images(run: Run) -> str:
    """Return in Markdown which images a run is of."""
    return plain(str(run.manifest.images.get("spec", "?")))


def _say_common(pair: Pair) -> None:
    matched, (first, other) = pair.matched, pair.stores
    if pair.itself:
        st.info(
            "This run is compared with itself, so all agrees. Choose another store or run above.",
            icon=":material/compare:",
        )
    elif matched.only or matched.other_only:
        st.caption(
            f"{_counted(len(matched))} in both and compared; {_counted(matched.only)} only in {plain(first)} "
            f"and {_counted(matched.other_only)} only in {plain(other)}. Matched by SHA-256."
        )


def _counted(images: int) -> str:
    return f"{images:,} {'image is' if images == 1 else 'images are'}"


draw(open_page(CompareView, complete))
