"""What a view shows that can have a name, and what a link to it is called."""

import contextlib

from compute.methods.base import CHANNEL, NEURON, TARGET
from dashboard.data import runs, selections
from dashboard.data.comparison import second_run
from dashboard.findings.names.folder import names_folder
from dashboard.findings.names.of_run import Names, names_of
from dashboard.findings.names.record import Channel, Name, NamedClass, Region, Thing
from dashboard.views.binding import View
from dashboard.views.definitions import (
    ATLAS,
    ChannelsView,
    CompareView,
    ImageView,
    LabView,
    MapView,
    MistakesView,
)
from dashboard.views.image_tabs import CHANNELS
from dashboard.views.state import LiveView, ViewState
from featurestore.reader import Run, Store

NOUNS = {"channel": "channel", "class": "class", "region": "region of the map"}


def things_of(view: ViewState, run: Run, names: Names) -> tuple[Thing, ...]:
    """Return what of a view can have a name, what the view is about first; () for a page of none."""
    match view:
        case ChannelsView(layer=layer, channel=channel) if layer and channel >= 0 and view.show != ATLAS:
            return (names.the_channel(layer, channel),)
        case ImageView(tab=tab) if tab == CHANNELS:
            return _strong_channel(view, run, names)
        case LabView() | ImageView():
            return _of_method(view, names)
        case MapView(map=map, selection=selection) if map and selection:
            ids = selections.read(view.store, run, selection)
            return (names.the_region(map, ids),) if len(ids) else ()
        case MistakesView(label=label, predicted=predicted):
            return tuple(names.the_class(each) for each in dict.fromkeys((label, predicted)) if each)
        case CompareView(tab="channels", layer=layer, channel=channel) if layer and channel >= 0:
            other = second_run(view)
            others = () if other is None else (names_of(other).the_channel(layer, channel),)
            return tuple(dict.fromkeys((names.the_channel(layer, channel), *others)))
    return ()


def name_of(view: ViewState, run: Run) -> str:
    """Return the name of what a view is about; "" where it has none."""
    names = names_of(run)
    if not names:
        return ""
    if isinstance(view, MapView):
        region = names.region(view.selection)
        return region.text if region else ""
    match next(iter(things_of(view, run, names)), None):
        case Channel(weights_hash, layer, channel):
            found = names.kept.channels.get((weights_hash, layer), {}).get(channel)
        case NamedClass(_, label):
            found = names.class_(label)
        case _:
            found = None
    return found or ""


def name_of_address(view: ViewState) -> str:
    """Return the name of what a view shows as an address has it; "" where it has none, or can't be opened."""
    listed = runs.stores()
    if view.store not in listed or not any(each.name for each in names_folder().read().files):
        return ""
    try:
        return name_of(view, runs.open_run(view.store, view.run or Store(listed[view.store]).current()))
    except (ValueError, OSError):
        # The page says what is wrong.
        return ""


def opened_by(name: Name) -> ViewState | None:
    """Return the view that shows a named thing, of the run where it was seen or of its store's current one.

    None where neither has it, or can be read.
    """
    store = runs.shown_store(name.store, name.run) if name.store else ""
    if not store:
        return None
    for fingerprint in dict.fromkeys((name.run, Store(runs.stores()[store]).current())):
        with contextlib.suppress(ValueError):
            run = runs.open_run(store, fingerprint)
            if names_of(run).has(name.thing):
                return view_of(name, store, run)
    return None


def view_of(name: Name, store: str, run: Run) -> ViewState:
    """Return the view of a run that shows a named thing of it."""
    match name.thing:
        case Channel(_, layer, channel):
            return ChannelsView(store, run.fingerprint, layer=layer, channel=channel)
        case NamedClass(_, label):
            return MistakesView(store, run.fingerprint, label=label)
        case Region(map=map):
            return MapView(store, run.fingerprint, map=map, selection=names_of(run).selection(name))


def with_region(view: View, run: Run) -> View:
    """Return the view itself, once a selection that is not kept any more was taken from the names.

    A region's file has its images, so a link to it opens wherever the names are, after any time.
    """
    selection = getattr(view, "selection", "")
    if not selections.is_kept(view.store, selection):
        names = names_of(run)
        if (region := names.region(selection)) is not None:
            selections.keep(view.store, names.image_ids(region))
    return view


def _strong_channel(view: ImageView, run: Run, names: Names) -> tuple[Thing, ...]:
    """Return the chosen one of an image's strongest channels, which the view calls "layer/channel"."""
    layer, _, number = view.strong.rpartition("/")
    layers = runs.choices(run).layers
    known = layer in layers and number.isascii() and number.isdigit() and len(number) < 10
    return (names.the_channel(layer, int(number)),) if known and int(number) < layers[layer] else ()


def _of_method(view: LiveView, names: Names) -> tuple[Thing, ...]:
    """Return the class and the channel that a live method is about."""
    try:
        asks = view.asks if view.shows_result else frozenset()
    except ValueError:
        # Its parameters don't go together, which the page says.
        return ()
    found: list[Thing] = []
    if TARGET in asks and view.target:
        found.append(names.the_class(view.target))
    if asks & {CHANNEL, NEURON} and view.layer and view.channel >= 0:
        found.append(names.the_channel(view.layer, view.channel))
    return tuple(found)
