"""Views to addresses and back, and what happens to addresses that ask for what there isn't."""

import dataclasses
import random
from urllib.parse import urlencode

import pytest

from compute.methods import METHODS
from dashboard.views import binding
from dashboard.views.definitions import ChannelsView, CompareView, ImageView, LabView, MapView, OverviewView
from dashboard.views.state import LONGEST_KEPT, Choices, read_parameters
from tests.support.views import CHOICES, VIEWS, any_view, drawn_parameters


@pytest.mark.parametrize("cls", VIEWS, ids=lambda cls: cls.page)
def test_every_view_survives_its_address(cls):
    rng = random.Random(cls.page)
    for _ in range(100):
        view = any_view(cls, rng)
        again, notes = cls.from_query(view.to_query())
        assert (again, notes) == (view, ())
        assert all(isinstance(text, str) and text for text in view.to_query().values())


@pytest.mark.parametrize("cls", VIEWS, ids=lambda cls: cls.page)
def test_a_view_that_fits_stays_as_it_is(cls):
    rng = random.Random(cls.page)
    for _ in range(50):
        fitted, notes = any_view(cls, rng).fitted(CHOICES)
        assert notes == ()
        assert fitted.fitted(CHOICES) == (fitted, ())


@pytest.mark.parametrize("cls", VIEWS, ids=lambda cls: cls.page)
def test_no_address_can_break_a_page(cls):
    rng = random.Random(cls.page)
    names = [each.name for each in dataclasses.fields(cls)] + ["p.seed", "p.nothing", "unknown"]
    for _ in range(200):
        query = {
            name: rng.choice(["", "nan", "-99", "1e999", "x" * 999, "9" * 40, "\0", "None"]) for name in names
        }
        view, _ = cls.from_query(query)
        fitted, _ = view.fitted(CHOICES)
        assert fitted.fitted(CHOICES) == (fitted, ())
        assert cls.from_query(fitted.to_query()) == (fitted, ())


@pytest.mark.parametrize("cls", VIEWS, ids=lambda cls: cls.page)
def test_addresses_stay_short(cls):
    rng = random.Random(cls.page)
    assert max(len(str(any_view(cls, rng).to_query())) for _ in range(50)) < 2000


def test_every_default_is_written():
    query = ImageView().to_query()
    assert query["tab"] == "glance" and query["overlay"] == "1" and query["channel"] == "-1"
    view, _ = LabView.from_query({"method": "saliency"})
    assert {f"p.{each.name}" for each in METHODS["saliency"].parameters()} <= set(view.to_query())


@pytest.mark.parametrize(
    "link, shown",
    [
        ({"tab": "live", "method": "saliency", "p.variant": "gradcam"}, ("saliency", "saliency", "stored")),
        ({"tab": "live", "method": "occlusion", "p.patch": "9"}, ("occlusion", "occlusion", "live")),
        ({"tab": "live", "method": "guided"}, ("live", "guided", "stored")),
        ({"tab": "live"}, ("saliency", "saliency", "stored")),
        (
            {"tab": "occlusion", "method": "saliency", "p.variant": "gradcam"},
            ("occlusion",) * 2 + ("stored",),
        ),
        ({"tab": "segmentation"}, ("segmentation", "segment", "stored")),
        ({"tab": "neighbors", "method": "guided"}, ("neighbors", "guided", "stored")),
    ],
)
def test_older_links_to_an_image_find_their_tab(link, shown):
    view, notes = ImageView.from_query(link)
    assert (view.tab, view.method, view.source) == shown and notes == ()
    assert ImageView.from_query(view.to_query()) == (view, ())
    parameters = {name: text for name, text in link.items() if name.startswith("p.")}
    assert view.method != link.get("method") or view.to_query().items() >= parameters.items()


def test_occlusion_is_live_where_the_store_can_not_hold_it():
    view = ImageView.from_query({"tab": "occlusion"})[0]
    assert view.fitted(CHOICES)[0].source == "stored"
    assert view.fitted(dataclasses.replace(CHOICES, occlusion=False))[0].source == "live"
    assert dataclasses.replace(view, upload="ab").fitted(CHOICES)[0].source == "live"


def test_what_is_out_of_range_is_clamped_and_said():
    view, notes = ChannelsView(layer="stem", channel=9).fitted(CHOICES)
    assert view.channel == 3 and notes == ("channel of stem 9 is above 3; 3 is taken",)
    view, notes = MapView(map="umap", image=70).fitted(CHOICES)
    assert (view.map, view.image) == ("pca", 49)
    assert any("'umap'" in note for note in notes) and any("image 70" in note for note in notes)


@pytest.mark.parametrize("cls", [MapView, CompareView])
@pytest.mark.parametrize("camera", ["nan,0,1", "0,0,0", "0,0,-1", "inf,0,1", "0,1", "x"])
def test_a_camera_that_shows_nothing_is_refused(cls, camera):
    view, notes = cls.from_query({"camera": camera})
    assert view.camera == "" and notes == (f"camera {camera!r} can't be read; 'none' is taken",)
    assert cls.from_query({"camera": "-0.5,1e-3,2"}) == (cls(camera="-0.5,1e-3,2"), ())


def test_a_parameter_that_is_no_number_is_said():
    values, notes = read_parameters("saliency", {"samples": "many", "noise": "7", "variant": "best"})
    assert (
        dict(values)["samples"] == 50 and dict(values)["noise"] == 1.0 and dict(values)["variant"] == "usual"
    )
    assert len(notes) == 3 and any("'many'" in note for note in notes)


def test_a_method_gets_what_it_needs():
    view, notes = LabView(method="saliency").fitted(CHOICES)
    assert view.image == 0 and view.layer == "" and notes == ()
    view, _ = LabView(method="guided").fitted(CHOICES)
    assert view.layer == "body.conv1" and view.channel == 0
    view, notes = LabView(method="gone").fitted(CHOICES)
    assert view.method in METHODS and "'gone'" in notes[0] and view.built().name == view.method


def test_a_run_without_anything_is_fitted():
    for cls in VIEWS:
        view, _ = cls().fitted(Choices())
        assert view.to_query() is not None


def test_a_link_wins_over_widgets_and_widgets_over_the_own_address():
    session = {}
    view, _ = binding.decide(
        ChannelsView, {"store": "s", "run": "r", "layer": "stem", "channel": "2"}, session
    )
    binding.remember(view, session)
    click(session, "channels.channel", 3)
    clicked, _ = binding.decide(ChannelsView, view.to_query(), session)
    assert clicked.channel == 3 and clicked.layer == "stem"
    binding.remember(clicked, session)
    back, _ = binding.decide(ChannelsView, view.to_query(), session)
    assert back.channel == 2


def click(session, key, value):
    """What Streamlit leaves in the session where the widget of this key was drawn, and is changed."""
    session[key] = value
    session[binding.HELD] = {*session.get(binding.HELD, ()), key}


def test_a_browser_without_the_latest_address_loses_nothing_and_may_still_go_elsewhere():
    session = {}
    first, _ = binding.decide(
        ChannelsView, {"store": "s", "run": "r", "layer": "stem", "channel": "2"}, session
    )
    binding.remember(first, session)
    had = session[binding.SEEN]
    click(session, "channels.channel", 3)
    second, _ = binding.decide(ChannelsView, first.to_query(), session)
    binding.remember(second, session)
    # The next click was sent before the second address had come: it says which one the browser had.
    session[binding.SEEN] = had
    click(session, "channels.layer", "other")
    third, _ = binding.decide(ChannelsView, first.to_query(), session)
    assert (third.channel, third.layer) == (3, "other")
    binding.remember(third, session)
    # Without a word that it was late, the first address is one that a person went back to.
    back, _ = binding.decide(ChannelsView, first.to_query(), session)
    assert back == first


def test_what_a_callback_has_set_outlasts_what_a_late_browser_still_shows():
    session = {}
    first, _ = binding.decide(
        ChannelsView, {"store": "s", "run": "r", "layer": "stem", "channel": "2"}, session
    )
    binding.remember(first, session)
    binding.remember(dataclasses.replace(first, channel=7), session)  # "next", by a callback
    session |= {binding.SEEN: urlencode(first.to_query()), binding.UNSEEN: {"channels.channel"}}
    click(session, "channels.channel", 2)  # what the browser shows, and sends along
    late, _ = binding.decide(ChannelsView, first.to_query(), session)
    assert late.channel == 7
    click(session, "channels.channel", 5)  # what a person has set meanwhile
    assert binding.decide(ChannelsView, first.to_query(), session)[0].channel == 5


class Sent(dict):
    """A session that notes what is set in it, which is what a browser is sent."""

    def __init__(self):
        super().__init__()
        self.keys_set = []

    def __setitem__(self, key, value):
        self.keys_set.append(key)
        super().__setitem__(key, value)


def test_a_late_browser_is_sent_what_the_page_has_set_and_nothing_that_it_has_itself():
    session = Sent()
    first, _ = binding.decide(
        ChannelsView, {"store": "s", "run": "r", "layer": "stem", "channel": "2"}, session
    )
    binding.remember(first, session)
    click(session, "channels.layer", "stem")
    click(session, "channels.channel", 10**6)
    binding.remember(dataclasses.replace(first, channel=9), session)  # there are no more channels
    session[binding.SEEN] = urlencode(first.to_query())
    click(session, "channels.layer", "other")
    click(session, "channels.channel", 5)  # before the 9 had come, which would stand there otherwise
    late, _ = binding.decide(ChannelsView, first.to_query(), session)
    assert (late.layer, late.channel) == ("other", 5)
    session.keys_set.clear()
    binding.remember(late, session)
    assert "channels.channel" in session.keys_set and "channels.layer" not in session.keys_set


def test_a_widget_that_is_not_drawn_keeps_its_value():
    session = {}
    view = MapView("s", "r", map="tsne", seams=True, kind="nearest")
    binding.remember(view, session)
    del session["map.seams"]
    session["map.kind"] = "unique"  # What the session had before the widget: it shows again without it.
    click(session, "map.color", "loss")
    again, _ = binding.decide(MapView, view.to_query(), session)
    assert again == dataclasses.replace(view, color="loss")
    binding.remember(again, session)
    assert (session["map.seams"], session["map.kind"]) == (True, "nearest")


def test_the_navigation_carries_the_image_to_the_next_page():
    session = {}
    binding.remember(ImageView("s", "r", image=17, method="saliency"), session)
    view, _ = binding.decide(LabView, {}, session)
    assert (view.store, view.run, view.image) == ("s", "r", 17)
    assert binding.decide(OverviewView, {}, session)[0].store == "s"


def test_another_method_starts_from_its_own_defaults():
    session = {}
    view, _ = LabView.from_query({"method": "saliency", "p.samples": "7", "p.seed": "5"})
    binding.remember(view, session)
    click(session, "lab.method", "segment")
    other, notes = binding.decide(LabView, view.to_query(), session)
    assert other.parameters == read_parameters("segment", {})[0] and notes == ()


def test_what_a_browser_sends_is_held_to_the_bounds():
    session = {}
    view, _ = LabView.from_query({"method": "saliency"})
    binding.remember(view, session)
    click(session, "lab.saliency.samples", 10**6)
    held, notes = binding.decide(LabView, view.to_query(), session)
    assert dict(held.parameters)["samples"] == 1000 and notes


def test_another_method_is_as_it_was_left_also_by_its_link():
    view, _ = LabView.from_query({"method": "fool", "p.epsilon": "16", "p.seed": "5"})
    other = view.turned_to("dream")
    assert other.method == "dream" and other.parameters == read_parameters("dream", {})[0]
    assert other.to_query().items() >= {"fool.epsilon": "16.0", "fool.seed": "5"}.items()
    assert LabView.from_query(other.to_query()) == (other, ())
    again = LabView.from_query(other.to_query())[0].turned_to("fool")
    assert again == view


def test_an_address_has_room_for_the_latest_settings_of_other_methods():
    rng, view = random.Random(0), LabView()
    for method in (*METHODS, *METHODS):
        view = dataclasses.replace(view.turned_to(method), parameters=drawn_parameters(method, rng))
    again = LabView.from_query(view.to_query())[0]
    assert again.others == view.others[-len(again.others) :] and again.parameters == view.parameters
    assert 0 < sum(len(f"&{name}={text}") for name, text in again.others) <= LONGEST_KEPT


@pytest.mark.parametrize("text", ["many", "1e999", ""])
def test_a_setting_of_another_method_that_can_not_be_read_is_passed_over(text):
    view, notes = LabView.from_query(
        {"method": "dream", "fool.epsilon": text, "fool.nothing": "1", "x.y": "2"}
    )
    assert view.others == () and notes == ()


def test_the_layer_of_channels_is_not_the_one_that_grad_cam_looks_at():
    session = {}
    binding.remember(ChannelsView("s", "r", layer="stem", channel=2), session)
    image = binding.following(ImageView, ChannelsView("s", "r", layer="stem", channel=2), session)
    assert (image.method, image.layer) == ("saliency", "")
    guided = image.turned_to("guided")
    assert (guided.layer, guided.channel) == ("stem", 2)
    chosen = dataclasses.replace(guided.turned_to("saliency"), tab="saliency", layer="body.conv1")
    assert chosen.turned_to("guided").layer == "stem"
    assert chosen.turned_to("style").layer == "" and chosen.turned_to("style").turned_to("saliency") == chosen
    binding.remember(chosen, session)
    assert binding.following(ChannelsView, chosen, session).layer == "stem"
    assert ImageView.from_query(chosen.to_query())[0].layer == "body.conv1"
    channels = chosen.turned_to("saliency", tab="channels")
    assert (channels.layer, channels.turned_to("saliency", tab="saliency")) == ("stem", chosen)


def test_a_method_asks_for_what_it_reads():
    ascent = LabView(method="ascend", parameters=read_parameters("ascend", {})[0], image=3, target="ant")
    assert ascent.asks == {"target", "layer"} and ascent.unused == ("image",)
    direction = dataclasses.replace(ascent, layer="stem")
    assert direction.asks == {"layer", "channel", "image", "neuron"} and direction.unused == ("target",)
    channel = dataclasses.replace(direction, channel=1)
    assert channel.asks == {"layer", "channel", "neuron"} and channel.unused == ("image", "target")
    saliency = LabView(
        method="saliency", parameters=read_parameters("saliency", {})[0], image=3, layer="stem"
    )
    assert saliency.asks == {"image", "target"} and saliency.unused == ("layer",)
    gradcam = dataclasses.replace(saliency, parameters=read_parameters("saliency", {"variant": "gradcam"})[0])
    assert gradcam.asks == {"image", "target", "layer"} and gradcam.unused == ()
