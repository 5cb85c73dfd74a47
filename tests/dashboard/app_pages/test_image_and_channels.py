"""The Image and Channels pages whole: every tab of a stored and of an uploaded image, a network that may not
be loaded, the card of a channel."""

import dataclasses
import json
import re
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from compute.reports.drawing.run_images import read_original
from dashboard.data import runs
from dashboard.data.uploads import uploads
from dashboard.jobs.lookup import result_of
from dashboard.views.definitions import ImageView
from dashboard.views.image_tabs import METHOD_OF_TAB, TABS
from featurestore.reader import Store
from tests.support.page_app import fine, forget, grids, query_of, said, settled, show, words
from tests.support.stores.served import write_own_store, write_served_store

pytestmark = pytest.mark.slow


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
