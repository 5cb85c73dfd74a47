"""Every page through AppTest on a real store: what it shows, and what it says where it can't."""

import json
import re
import shutil
from dataclasses import replace
from urllib.parse import parse_qsl, urlparse

import numpy as np
import pytest
import streamlit

from compute.methods import METHODS
from compute.methods.base import IMAGE
from compute.occlusion.drawing import PROBABILITY, Scale
from compute.reports.drawing.run_images import copies_of, read_original
from dashboard.data import runs
from dashboard.data.uploads import uploads
from dashboard.sections.image.neighbors import feature_neighbors, pixel_neighbors
from dashboard.settings import find_stores
from dashboard.text import percent
from dashboard.views.navigation import PAGES
from featurestore.manifest import MANIFEST, read_manifest
from featurestore.reader import Store
from tests.support.page_app import (
    button,
    fine,
    forget,
    pictures,
    query_of,
    said,
    settled,
    show,
    unescaped,
    words,
)
from tests.support.pictures import encoded, flat
from tests.support.stores.served import IMAGES, write_own_store, write_served_store

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", PAGES)
def test_page_draws_on_a_real_store(page, store, serve):
    serve(store)
    app = settled(fine(show(page)))
    assert app.header[0].value == PAGES[page].title
    assert query_of(app)["store"] == "digits" and query_of(app)["run"] == Store(store).current()
    assert not app.warning


@pytest.mark.parametrize("page", PAGES)
def test_page_says_that_there_is_no_store(page, tmp_path, serve):
    serve(tmp_path / "nothing")
    app = fine(show(page))
    assert "No stores yet" in words(app) and "make" in said(app.info)


@pytest.mark.parametrize("page", PAGES)
def test_page_offers_the_current_run_where_the_linked_one_is_gone(page, store, serve):
    serve(store)
    app = fine(show(page, {"store": "digits", "run": "0123456789abcdef", "image": 5}))
    assert "This run is gone" in words(app) and "0123456789abcdef" in said(app.warning)
    assert app.button[0].label == "Show the same view on the current run"
    app = settled(fine(app.button[0].click().run()))
    assert app.header[0].value == PAGES[page].title and query_of(app)["run"] == Store(store).current()
    assert query_of(app).get("image", "5") == "5"


def test_unknown_store_offers_those_that_are_served(store, serve):
    serve(store)
    app = fine(show("map", {"store": "other"}))
    assert "store other, which" in said(app.warning)
    app = fine(app.button[0].click().run())
    assert query_of(app)["store"] == "digits"


def test_an_image_and_a_layer_that_are_not_there_are_replaced_and_said(store, serve):
    serve(store)
    app = fine(show("channels", {"store": "digits", "layer": "conv99", "channel": 5}))
    assert any("conv99" in each.value for each in app.warning)
    app = fine(show("image", {"store": "digits", "image": 4000}))
    assert any("4000" in each.value for each in app.warning)
    assert query_of(app)["image"] == str(IMAGES - 1)
    # The page runs again by itself whenever a job ends.
    app = settled(fine(app.run()))
    assert any("4000" in each.value for each in app.warning)
    app = fine(app.number_input(key="image.image").set_value(3).run())
    assert not app.warning


def test_an_unknown_method_is_replaced_and_said(store, serve):
    serve(store)
    app = fine(show("lab", {"store": "digits", "method": "magic"}))
    assert any("magic" in each.value for each in app.warning)


@pytest.mark.parametrize(
    "page, table",
    [
        ("map", "embeddings"),
        ("neighbors", "neighbors"),
        ("image", "occlusion"),
        ("overview", "filters"),
        ("channels", "top_patches"),
    ],
)
def test_a_table_that_was_not_computed_is_said_with_what_to_do(page, table, copied, serve):
    forget(copied, table)
    serve(copied)
    app = show(page, {"tab": table} if page == "image" else None)
    assert not app.exception
    assert "compute" in words(app) and "Traceback" not in words(app)


def test_a_store_of_another_schema_says_to_regenerate_it(copied, serve):
    path = copied / "runs" / Store(copied).current() / MANIFEST
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps(record | {"schema_version": 999}))
    serve(copied)
    app = show("overview")
    assert not app.exception and "999" in said(app.error) and "make store" in said(app.error)


def test_damaged_bytes_are_said_not_shown(copied, serve):
    folder = copied / "runs" / Store(copied).current()
    for path in folder.glob("neighbors-*"):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 255
        path.write_bytes(content)
    serve(copied)
    app = show("neighbors")
    assert not app.exception
    assert "neighbors-0000" in said(app.error) and "row group" in said(app.error)
    fine(show("overview"))
    fine(show("mistakes"))


def test_a_program_error_is_shown_by_its_number_alone(store, serve, monkeypatch, caplog):
    serve(store)
    monkeypatch.setattr("dashboard.data.labelled_images.confusion_counts", lambda *_: 1 / 0)
    app = show("mistakes")
    assert not app.exception and "division" not in said(app.error)
    number = said(app.error).split("error ")[1].split(".")[0]
    assert number in caplog.text and "ZeroDivisionError" in caplog.text


def test_an_older_run_says_that_there_is_a_newer_one(copied, serve):
    older = Store(copied).current()
    write_served_store(copied, "--seed", "1")
    newer = Store(copied).current()
    assert newer != older
    serve(copied)
    app = fine(show("overview", {"store": "digits", "run": older}))
    assert "regenerated" in said(app.info) and query_of(app)["run"] == older
    button = next(each for each in app.button if each.label == "Show the same view on the new run")
    app = fine(button.click().run())
    assert query_of(app)["run"] == newer and not app.info


def test_a_store_regenerated_meanwhile_is_picked_up(copied, serve):
    serve(copied)
    app = fine(show("overview"))
    write_served_store(copied, "--seed", "2")
    app = fine(app.run())
    assert "regenerated" in said(app.info)


def test_two_stores_are_told_apart_and_chosen(copied, store, serve, tmp_path):
    shutil.copytree(copied, tmp_path / "more" / "digits")
    shutil.copytree(copied, tmp_path / "more" / "second")
    serve(store, tmp_path / "more")
    names = list(find_stores((str(store), str(tmp_path / "more"))))
    assert len(names) == 3 and names[2] == "second" and len(set(names)) == 3
    app = fine(show("overview"))
    app = fine(app.selectbox(key="overview.store").select("second").run())
    assert query_of(app)["store"] == "second"


def test_a_link_to_a_store_that_is_now_listed_by_a_longer_name(copied, store, serve, tmp_path):
    shutil.copytree(copied, tmp_path / "more" / "digits")
    write_served_store(tmp_path / "more" / "digits", "--seed", "2")
    newer = Store(tmp_path / "more" / "digits").current()
    serve(store, tmp_path / "more" / "digits")
    app = fine(show("overview", {"store": "digits", "run": newer}))
    assert query_of(app)["store"] == "more-digits" and query_of(app)["run"] == newer


@pytest.mark.parametrize(
    "page, query",
    [("image", {"tab": "channels"}), ("image", {"tab": "occlusion"}), ("neighbors", {}), ("channels", {})],
)
def test_a_store_whose_images_were_moved_shows_what_it_holds(store, serve, monkeypatch, page, query):
    def gone(run, image_id):
        raise ValueError("image 5 is no longer where the run read it")

    serve(store)
    streamlit.cache_data.clear()
    streamlit.cache_resource.clear()
    monkeypatch.setattr(runs, "original", gone)
    app = show(page, {"store": "digits", "image": "5", **query})
    assert [each.value for each in app.error] == [] and not app.exception, [each.value for each in app.error]
    if page == "image":
        assert any("thumbnail stands in for it" in each.value for each in app.caption)


@pytest.mark.parametrize("page", ["overview", "image", "lab", "neighbors"])
def test_a_store_that_names_an_enormous_input_is_told_so(copied, serve, page):
    folder = copied / "runs" / Store(copied).current()
    manifest, size = read_manifest(folder), {"size": [100_000, 100_000]}
    model = {name: {**manifest.model[name], **size} for name in ("preprocessing", "spec")}
    (folder / MANIFEST).write_bytes(replace(manifest, model={**manifest.model, **model}).to_bytes())
    serve(copied)
    app = settled(show(page, {"image": "5"}))
    assert not app.exception
    messages = unescaped(" ".join(each.value for each in (*app.error, *app.warning, *app.info)))
    assert "has 10,000,000,000 values, and at most 50,331,648 are taken" in messages


def test_a_link_sets_every_control_of_the_channels_page(store, serve):
    serve(store)
    layer = Store(store).open().table("layers")["layer"].to_pylist()[1]
    link = {
        "store": "digits",
        "layer": layer,
        "channel": "3",
        "sort": "selectivity",
        "only": "live",
        "rank": "2",
    }
    app = fine(show("channels", link))
    assert app.selectbox(key="channels.layer").value == layer
    assert app.number_input(key="channels.channel").value == 3
    assert query_of(app).items() >= link.items()
    app = fine(app.number_input(key="channels.channel").set_value(1).run())
    assert query_of(app)["channel"] == "1" and query_of(app)["rank"] == "0"


def test_the_ascent_image_of_a_channel_can_be_taken_along(store, serve):
    serve(store)
    query = {"store": "digits", "layer": "conv3", "channel": 3, "ascent": 1}
    app = settled(fine(show("channels", query, {"channels/download": True})))
    commands = [each.value for each in fine(app.run()).code]
    (command,) = (each for each in commands if each.startswith("python -m compute ascend"))
    assert "--layer conv3 --channel 3" in command and "**The result**" in words(app)


def test_guided_backprop_stands_beside_the_patches(store, serve):
    serve(store)
    app = settled(fine(show("channels", {"store": "digits", "guided": 1})))
    assert len(app.get("bidi_component")) >= 3


def test_the_images_prediction_and_occlusion_are_the_stores(store, serve):
    serve(store)
    run = Store(store).open()
    app = fine(show("image", {"store": "digits", "image": 7, "tab": "occlusion"}))
    row, maps = run.image(7), run.occlusion(7)
    assert f"predicted **{row['predicted']}**" in words(app)
    assert app.metric[0].value == f"{maps['unoccluded']:.1%}"
    assert len(app.get("plotly_chart")) == 2, "the map, what its colors mean"
    assert [each for each in app.get("html") if "the most probable classes" in each.proto.body]
    change = maps["probability"] - np.float32(maps["unoccluded"])
    assert Scale.of(PROBABILITY, change).in_words in words(app)


@pytest.mark.parametrize("value", ["probability", "logit", "argmax"])
def test_every_occlusion_map_draws(value, store, serve):
    serve(store)
    fine(show("image", {"store": "digits", "tab": "occlusion", "value": value, "overlay": 0}))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_from_its_link_or_says_what_it_lacks(method, store, serve):
    serve(store)
    query = {"store": "digits", "method": method, "live": 1, "image": 3, "target": "5", **QUICK}
    if method == "ascend":
        query.pop("image")
    app = settled(show("lab", query))
    assert not app.exception
    assert app.get("image") or app.info, words(app)
    assert not app.error, words(app)


@pytest.mark.slow
def test_a_fooling_picture_is_one_line_a_slider_and_what_it_survives(store, serve):
    serve(store)
    app = settled(fine(show("lab", {"store": "digits", "method": "fool", "image": 3, "live": 1})))
    row = Store(store).open().image(3)
    first = row["top5"][0]
    assert f"Predicted **{first['class']} {percent(first['probability'])}**" in words(app).replace("\\", "")
    (headline,) = (each.value for each in app.subheader)
    assert re.fullmatch(rf"{row['predicted']} → \d, >?[\d.]+%, .\d+/255", headline), headline
    assert "What the fooling survives" in words(app) and any(
        "JPEG 95" in str(each.value) for each in app.table
    )
    components = [each.proto.json for each in app.get("bidi_component")]
    assert any('"before"' in each and '"after"' in each for each in components), "a slider between the two"
    (folded,) = [each for each in app.expander if each.label == "All numbers"]
    assert "Margin" in str(folded.table[0].value)


def test_the_networks_prediction_stands_before_the_start(store, serve):
    serve(store)
    app = fine(show("lab", {"store": "digits", "method": "fool", "image": 3}))
    assert any(each.label == "Start" for each in app.button)
    assert "Predicted" in words(app)


@pytest.mark.slow
def test_the_steps_of_an_ascent_are_looked_through_and_saved(store, serve):
    serve(store)
    query = {"store": "digits", "method": "ascend", "target": "5", "p.iterations": 8, "live": 1}
    app = settled(fine(show("lab", query)))
    slider = next(each for each in app.slider if each.label == "Picture")
    assert slider.value == slider.max >= 7
    result = pictures(app)[-1]
    app = fine(slider.set_value(1).run())
    assert pictures(app)[-1] != result, "the first picture is noise"
    assert {"GIF", "MP4"} <= {each.label for each in app.get("download_button")}


@pytest.mark.slow
def test_a_style_may_be_uploaded_and_has_its_files_name(store, serve):
    serve(store)
    run = Store(store).open()
    upload = uploads().add(read_original(run, 5), "waves.png")
    query = {"store": "digits", "method": "style", "image": 3, "second_upload": upload, "live": 1, **QUICK}
    app = settled(fine(show("lab", query)))
    assert [each.value for each in app.text_input if each.disabled] == ["waves.png"]
    assert query_of(app)["second_upload"] == upload
    assert any('"after"' in each.proto.json for each in app.get("bidi_component"))
    app = fine(button(app, "Back to the store").click().run())
    assert query_of(app).get("second_upload", "") == "" and query_of(app)["live"] == "0"


QUICK = {f"p.{name}": 2 for name in ("iterations", "samples", "points", "octaves", "steps")}
"""The least work of every method that has such a parameter."""


def test_changing_a_parameter_takes_back_the_start(store, serve):
    serve(store)
    app = settled(fine(show("lab", {"store": "digits", "method": "saliency", "live": 1})))
    assert any(each.label == "PNG" for each in app.get("download_button")) or app.get("image")
    app = fine(app.toggle(key="lab.saliency.sanity").set_value(True).run())
    assert query_of(app)["live"] == "0" and query_of(app)["p.sanity"] == "1"
    start = next(each for each in app.button if each.label == "Start")
    app = settled(fine(start.click().run()))
    assert query_of(app)["live"] == "1"
    assert "random" in str([each.proto for each in app.get("image")]).lower()


def test_a_second_visitor_finds_the_result(store, serve):
    serve(store)
    link = {"store": "digits", "method": "saliency", "live": 1, "image": 9, "p.variant": "smoothgrad"}
    first = settled(fine(show("lab", link)))
    second = fine(show("lab", link))
    assert not second.get("progress")
    assert pictures(first) == pictures(second) != []


def test_an_empty_box_says_what_it_means_and_the_address_has_the_number(store, serve):
    serve(store)
    layer = next(iter(runs.choices(Store(store).open()).layers))
    app = fine(show("lab", {"store": "digits", "method": "ascend", "layer": layer}))
    drawn = {each.label: each for each in app.number_input}
    assert drawn["Image"].value is None and drawn["Image"].placeholder == "no image"
    assert drawn["Channel"].value is None and drawn["Channel"].placeholder == "whole layer"
    app = fine(drawn["Channel"].set_value(3).run())
    assert (query_of(app)["layer"], query_of(app)["channel"]) == (layer, "3")
    drawn = {each.label: each for each in app.number_input}
    assert drawn["Row"].placeholder == "whole channel" and drawn["Channel"].value == 3
    app = fine(drawn["Channel"].set_value(None).run())
    assert query_of(app)["channel"] == "-1"


def test_a_value_with_a_meaning_of_its_own_is_an_empty_box(store, serve):
    serve(store)
    app = fine(show("lab", {"store": "digits", "method": "dream"}))
    side = next(each for each in app.number_input if each.label == "Side (pixels)")
    assert side.value is None and side.placeholder.startswith("between 384 and 512")
    assert "1: the image's own size" in side.help
    assert query_of(app)["p.side"] == "0"
    app = fine(side.set_value(96).run())
    assert query_of(app)["p.side"] == "96"
    side = next(each for each in app.number_input if each.label == "Side (pixels)")
    app = fine(side.set_value(None).run())
    assert query_of(app)["p.side"] == "0"


def test_uploaded_images_go_to_every_tool(store, serve):
    serve(store)
    app = fine(show("neighbors"))
    app.file_uploader[0].upload("red.png", encoded(flat()))
    app = fine(app.run())
    upload = query_of(app)["upload"]
    for page in ("image", "lab"):
        other = fine(show(page, {"store": "digits", "upload": upload}))
        assert query_of(other)["upload"] == upload


def test_an_uploaded_copy_has_the_neighbours_of_the_stored_image(store, serve):
    serve(store)
    show("neighbors")
    run = Store(store).open()
    content = read_original(run, 5)
    upload = uploads().add(content)
    app = settled(fine(show("neighbors", {"store": "digits", "upload": upload})))
    assert f"predicted **{run.image(5)['predicted']}**" in words(app)
    assert copies_of(run, uploads().read(upload)) == [5]
    for space, found in (
        ("feature", feature_neighbors(run, upload, 20)),
        ("pixel", pixel_neighbors(run, upload, 20)),
    ):
        stored = run.neighbors(space, 5)
        assert found["neighbor_id"].to_pylist() == stored["neighbor_id"].to_pylist()
        assert found["distance"].to_numpy() == pytest.approx(stored["distance"].to_numpy(), abs=1e-5)


def test_an_upload_that_is_no_image_is_refused(store, serve):
    serve(store)
    app = show("image")
    app.file_uploader[0].upload("text.png", b"no image at all")
    app = app.run()
    assert not app.exception and "text.png" in said(app.error) and "upload" not in query_of(app)


def test_an_upload_that_is_gone_is_said(store, serve):
    serve(store)
    app = show("image", {"store": "digits", "upload": "0123456789abcdef"})
    assert not app.exception and "no longer kept" in said(app.error)


@pytest.mark.parametrize("page", ["map", "mistakes"])
def test_a_selection_that_is_gone_is_said_and_the_rest_is_shown(page, store, serve):
    serve(store)
    app = fine(show(page, {"store": "digits", "selection": "0123456789abcdef"}))
    assert "no longer kept" in said(app.warning) and "selection" not in query_of(app)
    assert app.get("bidi_component")


def test_code_of_the_users_runs_only_where_it_is_trusted(store, serve, tmp_path):
    own = write_own_store(tmp_path / "own", tmp_path / "net.py")
    serve(own)
    app = show("lab", {"store": "own", "method": "saliency", "live": 1})
    assert not app.exception and "--trust-model" in said(app.error)
    serve(own, trusted=(str(tmp_path / "net.py"),))
    app = settled(fine(show("lab", {"store": "own", "method": "saliency", "live": 1})))
    assert app.get("image")


def test_every_image_leads_to_every_tool(store, serve):
    serve(store)
    app = fine(show("image", {"store": "digits", "image": 4}))
    links = [each.proto for each in app.get("page_link")]
    targets = {link.page for link in links}
    assert {"neighbors", "map", "lab"} <= targets
    methods = {dict(parse_qsl(link.query_string)).get("method") for link in links if link.page == "lab"}
    assert {name for name, method in METHODS.items() if IMAGE in method.needs} <= methods


def test_the_shown_link_is_the_address(store, serve):
    serve(store)
    app = fine(show("map", {"store": "digits", "color": "loss"}, {"map/link": True}))
    shown = dict(parse_qsl(urlparse(app.code[0].value).query))
    assert shown.pop("proof") and shown == query_of(app)
