"""The tabs of the Image page, and how an address's tab and method are made to agree."""

from collections.abc import Mapping

GLANCE, OCCLUSION, SALIENCY, SEGMENTATION = "glance", "occlusion", "saliency", "segmentation"
NEIGHBORS, CHANNELS, LIVE = "neighbors", "channels", "live"

TABS = {
    GLANCE: "At a glance",
    OCCLUSION: "Occlusion",
    SALIENCY: "Saliency",
    SEGMENTATION: "Segmentation",
    NEIGHBORS: "Neighbours",
    CHANNELS: "Strongest channels",
    LIVE: "More methods",
}

METHOD_OF_TAB = {OCCLUSION: "occlusion", SALIENCY: "saliency", SEGMENTATION: "segment"}
"""The method of each tab that has only one; the tab LIVE has the other methods."""

TAB_OF_METHOD = {method: tab for tab, method in METHOD_OF_TAB.items()}


def shows_result(tab: str, live_occlusion: bool) -> bool:
    """Return whether a tab shows what the view's method makes.

    live_occlusion: whether occlusion maps are made live and not taken from the store.
    """
    return tab in (SALIENCY, SEGMENTATION, LIVE) or (tab == OCCLUSION and live_occlusion)


def agreeing(query: Mapping[str, str], default_method: str, parameter: str) -> dict[str, str]:
    """Return a query whose method is that of its tab.

    On the tab LIVE, a method that has a tab of its own gets that tab.

    default_method: where the query names none.
    parameter: what the names of parameters begin with; they are dropped where they are another method's.
    """
    tab, method = query.get("tab", ""), query.get("method")
    if tab == LIVE and (method or default_method) in TAB_OF_METHOD:
        own = TAB_OF_METHOD[method or default_method]
        return {**query, "tab": own} | ({"source": "live"} if own == OCCLUSION else {})
    wanted = METHOD_OF_TAB.get(tab)
    if wanted is None or wanted == method:
        return dict(query)
    kept = {name: text for name, text in query.items() if method is None or not name.startswith(parameter)}
    return kept | {"method": wanted}
