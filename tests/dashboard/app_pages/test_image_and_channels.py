"""The Image and Channels pages whole: every tab of a stored and of an uploaded image, a network that may not
be loaded, the card of a channel."""

import dataclasses
import json
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from compute.methods.base import Step
from compute.methods.synthesis.ascent import Ascent
from compute.models.zoo import ModelSpec, load
from compute.pipeline.stages.showcase import CHANNELS_AT_ONCE
from compute.reports.base import ReportInputs, originals_of
from compute.reports.channels.strongest_channels import StrongestChannelsSpec
from compute.reports.drawing.run_images import read_original
from dashboard.data import runs
from dashboard.data.uploads import uploads
from dashboard.jobs.lookup import result_of
from dashboard.sections.channels import by_picture
from dashboard.views.definitions import ChannelsView, ImageView
from dashboard.views.image_tabs import METHOD_OF_TAB, TABS
from dashboard.widgets.header import Opened
from featurestore.reader import Store
from tests.support.page_app import fine, forget, grids, query_of, said, settled, show, words
from tests.support.stores.served import write_own_store, write_served_store
from tests.support.stores.shown import add_showcase

pytestmark = pytest.mark.slow

DEAD = {"objective": "channel", "activation": 0.0, "predicted": "0", "maximum": 0.0, "dead": True}
"""The numbers of an ascent that came to nothing."""


def address_of_links(app, page):
    return [each.proto.query_string for each in app.get("page_link") if each.proto.page == page]


@pytest.fixture
def upload(store, serve):
    serve(store)
    show("overview")
    return uploads().add(read_original(Store(store).open(), 5))


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_of_a_stored_image_is_there_at_once(tab, store, serve):
    serve(store)
    extra = {"method": "guided", "layer": "conv1", "channel": 1} if tab == "live" else {}
    app = settled(fine(show("image", {"store": "digits", "image": 3, "tab": tab, **extra})))
    fine(app)
    assert query_of(app)["tab"] == tab and not app.warning
    assert query_of(app)["method"] == METHOD_OF_TAB.get(tab, extra.get("method", "saliency"))
    expected = {"neighbors": 2, "glance": 2, "channels": len(runs.choices(Store(store).open()).layers)}
    assert grids(app) == expected.get(tab, 0)
    assert not [each for each in app.button if each.label.startswith("Start")]


@pytest.mark.slow
@pytest.mark.parametrize("tab", [tab for tab in TABS if tab != "live"])
def test_every_tab_of_an_uploaded_image_is_there_at_once(tab, upload):
    app = settled(fine(show("image", {"store": "digits", "upload": upload, "tab": tab})))
    fine(app)
    assert query_of(app)["upload"] == upload
    if tab == "occlusion":
        assert query_of(app)["source"] == "live"
    assert grids(app) or len(app.get("image")) >= 3


def test_a_glance_has_all_pictures_and_finds_what_a_tab_made(store, serve):
    serve(store)
    app = settled(fine(show("image", {"store": "digits", "image": 6})))
    said = [image.caption for each in app.get("image") for image in each.proto.imgs]
    assert len(said) == 5 and any("costs" in each for each in said)
    for tab in ("segmentation", "occlusion"):
        app = fine(show("image", {"store": "digits", "image": 6, "tab": tab, "source": "live"}))
        assert not app.get("progress") and app.get("image")


def atlas_of(app):
    """What the atlas is given: its layers by name."""
    (component,) = [each for each in app.get("bidi_component") if each.key == "channels/atlas"]
    return {layer["name"]: layer for layer in json.loads(component.proto.json)["layers"]}


def test_channels_open_on_the_atlas_whose_tiles_lead_to_channels(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits"}))
    layers, choices = atlas_of(app), runs.choices(Store(store).open()).layers
    assert {name: each["count"] for name, each in layers.items()} == dict(choices)
    assert f"**{sum(choices.values())}** channels in {len(choices)} layers" in words(app)
    link = dict(parse_qsl(layers["conv2"]["link"].partition("?")[2], keep_blank_values=True))
    card = fine(show("channels", {**link, "channel": "5"}))
    assert "conv2, channel 5" in words(card)


def test_the_atlas_is_filtered_and_says_by_how_much(store, serve):
    serve(store)
    stats = Store(store).open().channels("conv3")
    app = fine(show("channels", {"store": "digits", "opened": "conv3", "only": "live", "find": "0-9"}))
    live = [row["channel"] for row in stats.to_pylist() if row["channel"] < 10 and not row["dead"]]
    assert atlas_of(app)["conv3"]["channels"] == live
    assert " of " in words(app) and "in " in words(app)
    fine(next(each for each in app.button if each.label == "Show all again").click().run())
    assert query_of(app)["only"] == "all" and "find" not in query_of(app)
    app = fine(app.text_input(key="channels.find").set_value("99999").run())
    assert "No channel of this network is like that." in words(app) and atlas_of(app) == {}
    app = app.text_input(key="channels.find").set_value("seven").run()
    assert "can't be read at 'seven'" in said(app.warning)


@pytest.mark.parametrize(("stride", "is_shown"), [(14, False), (1, True)])
def test_a_glance_shows_the_store_s_map_where_a_live_one_is_no_finer(stride, is_shown, tmp_path, serve):
    store = write_served_store(
        tmp_path / "digits", "--limit", "12", "--occlusion-patch", "7", "--occlusion-stride", str(stride)
    )
    serve(store)
    settled(fine(show("image", {"store": "digits", "image": 6})))
    run = Store(store).open()
    live, _ = ImageView.from_query({"store": "digits", "image": "6", "tab": "occlusion", "source": "live"})
    live, _ = dataclasses.replace(live, run=run.fingerprint).fitted(runs.choices(run))
    assert (result_of(live, run) is None) == is_shown


def test_a_glance_goes_on_where_a_table_was_not_computed(copied, serve):
    forget(copied, "neighbors")
    serve(copied)
    app = settled(show("image", {"store": "digits", "image": 6}))
    assert "'neighbors' is not computed" in said(app.error) and len(app.error) == 1
    assert grids(app) == 1


def legend(app):
    chart = next(each for each in app.get("plotly_chart") if "colours of" in each.proto.alt)
    return json.loads(chart.proto.spec)


def test_a_live_maps_colours_have_a_legend_with_its_unit(store, serve):
    serve(store)
    link = {"store": "digits", "image": 6, "tab": "saliency", "p.channels": "sum"}
    app = settled(fine(show("image", link)))
    axis = legend(app)["layout"]["xaxis"]
    assert "logits per unit" in axis["title"]["text"] and axis["range"][0] == -axis["range"][1] < 0
    assert "None" not in [cell for table in app.table for cell in table.value.to_numpy().ravel()]


def test_a_live_map_of_classes_names_them(store, serve):
    serve(store)
    link = {"store": "digits", "image": 6, "tab": "occlusion", "source": "live", "p.value": "argmax"}
    app = settled(fine(show("image", link)))
    drawn = legend(app)
    names, colors = drawn["layout"]["yaxis"]["ticktext"], drawn["data"][0]["marker"]["color"]
    assert set(names) <= set(Store(store).open().class_names)
    assert len(set(colors)) == len(names) > 0


def test_classes_that_are_numbers_or_have_one_name_have_a_bar_each():
    def page():
        from dashboard.widgets.bar_charts import probabilities

        probabilities(["7", "crane", "crane"], [0.5, 0.3, 0.2], alt="classes")

    (chart,) = AppTest.from_function(page).run().get("html")
    assert re.findall(r"<span>([^<]+)</span>.*?width: ([\d.]+)%.*?<b>([^<]+)</b>", chart.proto.body) == [
        ("7", "50.00", "50.0%"),
        ("crane", "30.00", "30.0%"),
        ("crane", "20.00", "20.0%"),
    ]
    assert 'aria-label="classes: 7: 0.5000; crane: 0.3000; crane: 0.2000"' in chart.proto.body


def test_a_histogram_has_a_bar_for_each_bin_as_high_as_its_count():
    def page():
        from dashboard.widgets.bar_charts import histogram

        histogram([4, 0, 1, 1000], 0.0, 2.0, title="strength", alt="a <channel>")

    (chart,) = AppTest.from_function(page).run().get("html")
    body = chart.proto.body
    assert re.findall(r"height: ([\d.]+)%", body) == ["0.50", "0.00", "0.50", "100.00"]
    assert 'title="1.5 to 2: 1,000 images"' in body and "a &lt;channel&gt;: 1,005 images from 0 to 2" in body


def test_a_histogram_of_no_bins_is_empty():
    def page():
        from dashboard.widgets.bar_charts import histogram

        histogram([], 0.0, 2.0, title="strength", alt="nothing")

    app = AppTest.from_function(page).run()
    assert not app.exception and "0 images from 0 to 2" in app.get("html")[0].proto.body


def test_a_click_on_a_tab_brings_its_method(store, serve):
    serve(store)
    app = settled(fine(show("image", {"store": "digits", "image": 2})))
    for tab, method in (("segmentation", "segment"), ("live", "guided"), ("saliency", "saliency")):
        control = next(each for each in app.get("button_group") if each.key == "image.tab")
        app = settled(control.set_value(tab).run())
        assert (query_of(app)["tab"], query_of(app)["method"]) == (tab, method)


def test_the_strongest_channels_of_a_top_patch_have_its_rank(store, serve):
    serve(store)
    run = Store(store).open()
    layer = run.table("layers")["layer"].to_pylist()[-1]
    patch = run.select("top_patches", layer, 2).to_pylist()[0]
    link = {"store": "digits", "image": patch["image_id"], "tab": "channels", "layer": layer}
    app = settled(fine(show("image", {**link, "strong": f"{layer}/2"})))
    shown = {each.label: each.value for each in app.metric}
    assert shown[f"{layer}, channel 2"] == f"{patch['value']:.3f}" == shown["Store's maximum"]
    assert shown["Images with a stronger response"] == "0.00%" and shown["Place among its patches"] == "1"
    assert any("channel=2" in each and f"layer={layer}" in each for each in address_of_links(app, "channels"))


def test_an_untrusted_network_leaves_what_the_store_knows(serve, tmp_path):
    own = write_own_store(tmp_path / "own", tmp_path / "net.py")
    serve(own)
    best = Store(own).open().table("top_patches")["image_id"].to_pylist()[0]
    app = show("image", {"store": "own", "image": best, "tab": "channels"})
    assert "--trust-model" in words(fine(app)) and grids(app) == 1
    app = show("image", {"store": "own", "image": best})
    assert not app.exception and "--trust-model" in words(app)
    app = show("channels", {"store": "own", "guided": 1, "ascent": 1})
    assert not app.exception and "--trust-model" in words(app) and grids(app) == 2
    serve(own, trusted=(str(tmp_path / "net.py"),))
    app = settled(show("image", {"store": "own", "image": best, "tab": "channels"}))
    assert "--trust-model" not in words(fine(app)) and grids(app) == 1


def test_a_channels_card_has_its_ascent_and_its_classes(store, serve):
    serve(store)
    link = {"store": "digits", "layer": "conv1", "channel": 1, "guided": 1, "ascent": 1}
    app = settled(fine(show("channels", link)))
    assert query_of(app)["ascent"] == "1" and grids(app) == 3
    assert "The channel reaches" in words(app) and "Selectivity" in words(app)
    assert "256 steps" in words(app) and app.get("image")
    again = fine(show("channels", link))
    assert not again.get("progress")


def alts(app):
    """What the pictures that Streamlit draws are said to show."""
    return [each.alt for drawn in app.get("imgs") + app.get("image") for each in drawn.proto.imgs]


def test_a_channels_card_shows_the_stores_picture_without_the_network(copied, serve):
    run = add_showcase(copied, range(2), Ascent(iterations=1, seed=7))
    serve(copied, live=False)
    link = {"store": "digits", "layer": "conv3", "channel": 1}
    app = fine(show("channels", link))
    (kept,) = run.select("showcase", "conv3", 1).to_pylist()
    best = run.top_patches("conv3", 1)["value"][0].as_py()
    assert f"The channel reaches {kept['value']:.3g}, **{kept['value'] / best:.1f} times** the" in words(app)
    assert "1 steps, fourier parameterisation, seed 7 (Olah et al. 2017). Kept in the store." in words(app)
    assert "gradient ascent on channel 1 of conv3" in alts(app)
    lab = [each for each in address_of_links(app, "lab") if "p.seed=7" in each]
    assert len(lab) == 1 and "method=ascend" in lab[0] and "p.iterations=1&" in f"{lab[0]}&"
    other = fine(show("channels", link | {"channel": 2}))
    assert "What it looks for" not in words(other) and "Kept in the store" not in words(other)
    assert "Kept in the store." in words(fine(show("channels", link | {"ascent": 1})))
    serve(copied)
    live = settled(fine(show("channels", link | {"ascent": 1})))
    assert "256 steps" in words(live) and "Kept in the store" not in words(live)


def test_a_channel_that_nothing_wakes_is_said(copied, serve, monkeypatch):
    with monkeypatch.context() as patch:
        dead = Step(1, 1, "image", np.zeros((28, 28, 3), np.float32), 0.0, DEAD)
        patch.setattr(Ascent, "run", lambda *_: dead)
        add_showcase(copied, range(1))
    serve(copied)
    app = fine(show("channels", {"store": "digits", "layer": "conv3", "channel": 0}))
    assert "It stays dead: ascent found no picture that it answers to" in words(app)
    assert "The channel reaches" not in words(app)


def test_what_channels_look_for_stands_where_they_do(copied, serve):
    """On the Overview, the tab Strongest channels and Compare; without the table they are as they were."""
    serve(copied)
    itself = {"other_store": "digits", "other_run": Store(copied).current()}
    pages = {
        "overview": {"store": "digits"},
        "image": {"store": "digits", "image": 4, "tab": "channels", "layer": "conv3"},
        "compare": {"store": "digits", "tab": "channels", "layer": "conv3", "channel": 1} | itself,
    }
    before = {page: settled(fine(show(page, query))) for page, query in pages.items()}
    for page, app in before.items():
        assert "found by gradient ascent" not in data_of(app) + str(alts(app)), page
    every = Store(copied).open().table("channels").to_pylist()
    for start in range(0, sum(row["layer"] == "conv3" for row in every), CHANNELS_AT_ONCE):
        add_showcase(copied, range(start, start + CHANNELS_AT_ONCE), Ascent(iterations=1))
    after = {page: settled(fine(show(page, query))) for page, query in pages.items()}
    assert data_of(after["overview"]).count("looks for, found by gradient ascent") == 3
    shown = data_of(after["image"]).count("looks for, found by gradient ascent")
    assert shown == data_of(after["image"]).count("where channel") > 0
    assert len([alt for alt in alts(after["image"]) if "looks for" in alt]) == 1
    assert "what channel 1 of conv3 looks for, found by gradient ascent" in alts(after["compare"])


def data_of(app):
    """What the page's components are given."""
    return " ".join(str(each.proto) for each in app.get("bidi_component"))


def test_next_follows_the_filters(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits", "layer": "conv1", "channel": 2, "find": "2, 5-6"}))
    assert any(each.label == "1 of 3 that pass" for each in app.button)
    app = fine(next(each for each in app.button if each.label == "Next").click().run())
    assert query_of(app)["channel"] == "5" and query_of(app)["find"] == "2, 5-6"
    app = fine(next(each for each in app.button if "that pass" in each.label).click().run())
    assert "find" not in query_of(app) and query_of(app)["channel"] == "5"
    app = show("channels", {"store": "digits", "layer": "conv1", "find": "many"})
    assert not app.exception and "can't be read" in words(app)


def test_a_patch_goes_to_every_tool_with_its_unit(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits", "layer": "conv1", "channel": 1, "rank": 2}))
    row = Store(store).open().top_patches("conv1", 1).to_pylist()[2]
    lab = {query.split("method=")[1].split("&")[0]: query for query in address_of_links(app, "lab")}
    unit = {"layer=conv1", "channel=1", f"y={row['y']}", f"x={row['x']}", f"image={row['image_id']}"}
    assert unit <= set(lab["guided"].split("&"))
    assert "layer=conv1" in lab["invert"]
    assert address_of_links(app, "neighbors") and address_of_links(app, "map")
    assert len(address_of_links(app, "image")) >= 2


BOX = "0.25,0.125,0.75,0.5"
BY_PICTURE = {"store": "digits", "picture": 1, "image": 5, "box": BOX}


def given(app, name):
    """What a component of the page is given; None where it is not there."""
    keys = {each.key: json.loads(each.proto.json) for each in app.get("bidi_component")}
    return keys.get(f"channels/{name}")


def reported(store, image_id, box):
    """What the report says of a stored image: its channels, by name, and the other images."""
    run = Store(store).open()
    inputs = ReportInputs(
        run, model=lambda: load(ModelSpec("digits"), "cpu"), image_id=image_id, read=originals_of(run)
    )
    numbers = StrongestChannelsSpec(box=box, together=True).make(inputs).numbers
    return [f"{each['layer']}/{each['channel']}" for each in numbers["channels"]], numbers["others"]


@pytest.mark.parametrize("box", ["", BOX])
def test_channels_by_a_picture_are_the_reports(box, store, serve):
    serve(store)
    app = settled(fine(show("channels", BY_PICTURE | {"box": box})))
    channels, others = reported(store, 5, box)
    assert [each["id"] for each in given(app, "unusual")["items"]] == channels
    shown = given(app, "others")
    assert [each["id"] for each in shown["items"]] == [each["image_id"] for each in others]
    assert [each["caption"] for each in shown["items"]] == [f"{each['shared']} of 24" for each in others]
    assert 5 not in [each["id"] for each in shown["items"]]
    query = parse_qs(urlsplit(f"{shown['link']}7").query)
    assert shown["link"].startswith("image?") and query["image"] == ["7"] and query["store"] == ["digits"]
    assert given(app, "box")["box"] == ([0.25, 0.125, 0.75, 0.5] if box else None)
    assert given(app, "atlas") is not None


def test_a_picture_that_is_asked_for_first_is_the_runs_own_choice(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits"}))
    assert given(app, "box") is None and query_of(app)["image"] == "-1"
    app = settled(fine(app.toggle(key="channels.picture").set_value(True).run()))
    first = runs.choices(Store(store).open()).first_image
    assert query_of(app)["image"] == str(first) and given(app, "unusual")["items"]


def test_a_box_that_is_none_is_said_and_the_whole_picture_is_taken(store, serve):
    serve(store)
    app = settled(show("channels", BY_PICTURE | {"box": "0.5,0,0.2,1"}))
    assert "left (0.5) must be less than right (0.2)" in words(app) and not app.exception
    assert "box" not in query_of(app) and given(app, "box")["box"] is None


def test_an_uploaded_picture_has_channels_too(store, upload, serve):
    app = settled(fine(show("channels", {"store": "digits", "picture": 1, "upload": upload, "box": BOX})))
    channels, others = reported(store, 5, BOX)
    assert [each["id"] for each in given(app, "unusual")["items"]] == channels
    # It is a copy of an image of the store, which is none of the others.
    assert [each["id"] for each in given(app, "others")["items"]] == [each["image_id"] for each in others]


def test_shares_are_there_once_the_network_has_run(store, serve):
    serve(store)
    run = Store(store).open()
    view = ChannelsView("digits", run.fingerprint, show="atlas", picture=True, image=4, box=BOX)
    assert by_picture.shares(Opened(view, run)) is None
    settled(fine(show("channels", BY_PICTURE | {"image": 4})))
    shares = by_picture.shares(Opened(view, run))
    layers = runs.choices(run).layers
    assert {name: len(each) for name, each in shares.items()} == dict(layers)
    known = np.concatenate([*shares.values()])
    assert np.nanmin(known) > 0 and np.nanmax(known) <= 1
    without = ChannelsView("digits", run.fingerprint, show="atlas", image=4)
    assert by_picture.shares(Opened(without, run)) is None


def test_an_untrusted_network_leaves_a_pictures_stored_channels(serve, tmp_path):
    own = write_own_store(tmp_path / "own", tmp_path / "net.py")
    serve(own)
    best = Store(own).open().table("top_patches")["image_id"].to_pylist()[0]
    app = show("channels", {"store": "own", "picture": 1, "image": best, "box": BOX})
    assert "--trust-model" in words(fine(app)) and given(app, "unusual")["items"]


def test_the_strongest_channels_lead_to_a_box_on_the_image(store, serve):
    serve(store)
    app = settled(fine(show("image", {"store": "digits", "image": 5, "tab": "channels"})))
    queries = [parse_qs(each) for each in address_of_links(app, "channels")]
    assert any(each.get("picture") == ["1"] and each["image"] == ["5"] for each in queries)
