"""Names on pages: given by Pin, shown where the thing is, found, changed and taken away; links say them."""

import dataclasses

import numpy as np
import pytest
import streamlit as st

from dashboard.data import selections
from dashboard.findings.folder import findings
from dashboard.findings.names import names_of
from dashboard.findings.names.folder import names_folder
from dashboard.findings.names.form import Change, named
from dashboard.findings.names.record import LONGEST_NAME, Channel, NamedClass, stem_of
from dashboard.findings.names.things import (
    name_of,
    name_of_address,
    opened_by,
    things_of,
    view_of,
    with_region,
)
from dashboard.findings.pin_button import finding_of
from dashboard.findings.recheck import recheck
from dashboard.jobs.lookup import result_of
from dashboard.server.routes.find import hits
from dashboard.sharing.downloads import downloads_of
from dashboard.views.definitions import (
    ChannelsView,
    CompareView,
    ImageView,
    LabView,
    MapView,
    MistakesView,
    OverviewView,
)
from dashboard.views.navigation import title
from featurestore.reader import Store
from tests.support.page_app import button, fine, link_table, query_of, said, settled, show, words
from tests.support.stores.served import served_store, write_other_store, write_second_store

pytestmark = pytest.mark.slow

IDS = np.array([1, 2, 5, 9])
CHANNEL = {"layer": "conv2", "channel": "3"}


@pytest.fixture
def serve(serve, tmp_path):
    """`serve(*stores)`, with a folder for findings of the test's own."""

    def with_findings(*stores, **options):
        serve(*stores, findings=str(tmp_path / "findings"), **options)
        st.cache_data.clear()

    with_findings(served_store())
    return with_findings


def give(run, text, thing, store="digits"):
    names_folder().give(named(Change(thing, text, ""), store, run))


def pinning(page, query, **written):
    """The page once its form Pin was sent with these texts."""
    app = settled(fine(show(page, query, {f"{page}/pin": True})))
    for label, text in written.items():
        next(each for each in app.text_input if each.label == label.replace("_", " ")).input(text)
    return button(app, "Pin").click().run()


def test_pin_names_a_channel_and_keeps_no_finding_without_a_title(run, serve):
    app = pinning("channels", CHANNEL, Name_this_channel="wheels", Named_by="Ann")
    assert "Called 'wheels' in" in said(app.success) and "channel-3-conv2" in said(app.success)
    assert "wheels (conv2, channel 3)" in words(app) and findings().all() == []
    (kept,) = names_folder().read().files
    assert (kept.name.text, kept.name.by, kept.name.store) == ("wheels", "Ann", "digits")
    assert kept.name.thing == Channel(run.manifest.model["weights_hash"], "conv2", 3)
    app = pinning("channels", CHANNEL, Title="Round ones")
    assert "pinned as" in said(app.success).lower() and names_of(run).channel("conv2", 3) == "wheels"
    app = pinning("channels", CHANNEL, Name_this_channel="tyres", Title="Tyres")
    assert names_of(run).channel("conv2", 3) == "tyres" and len(findings().all()) == 2
    app = pinning("channels", CHANNEL, Name_this_channel="")
    assert "taken away" in said(app.success) and names_of(run).channel("conv2", 3) is None
    assert "wheels" not in words(app) and not names_folder().read().files


def test_a_name_is_changed_and_taken_away_in_the_form_that_has_just_given_it(run, serve):
    app = pinning("channels", CHANNEL, Name_this_channel="wheels")
    for text, came in (("tyres", "Called 'tyres' in"), ("", "taken away"), ("wheels", "Called 'wheels' in")):
        next(each for each in app.text_input if each.label == "Name this channel").input(text)
        app = fine(button(app, "Pin").click().run())
        assert came in said(app.success) and names_of(run).channel("conv2", 3) == (text or None)


def test_a_form_that_asks_for_nothing_says_so(serve):
    app = pinning("channels", CHANNEL)
    assert "A finding needs a title. Or write another name above." in said(app.error)
    assert "A finding needs a title." in said(pinning("overview", {}).error)
    app = pinning("channels", CHANNEL, Name_this_channel="\u200b")
    assert "a name needs" in said(app.error).lower() and not names_folder().read().files


def test_a_form_does_not_write_over_a_name_that_was_given_meanwhile(run, serve):
    app = settled(fine(show("channels", CHANNEL, {"channels/pin": True})))
    field = next(each for each in app.text_input if each.label == "Name this channel")
    give(run, "theirs", names_of(run).the_channel("conv2", 3))
    field.input("mine")
    app = button(app, "Pin").click().run()
    assert names_of(run).channel("conv2", 3) == "theirs"
    assert next(each for each in app.text_input if each.label == "Name this channel").value == "theirs"


def test_a_file_that_git_could_not_merge_is_said_and_named_again(run, serve):
    thing = names_of(run).the_channel("conv2", 3)
    give(run, "wheels", thing)
    file = names_folder().path / f"{stem_of(thing)}.toml"
    text = file.read_text().replace(
        'name = "wheels"', "<<<<<<< HEAD\nname = 'a'\n=======\nname = 'b'\n>>>>>>> x"
    )
    file.write_text(text)
    app = fine(show("channels", CHANNEL, {"channels/pin": True}))
    assert "git could not merge it: it is called 'a' and 'b'" in words(app) and "wheels" not in words(app)
    app = show("findings", {"show": "names"})
    assert not app.exception and "git could not merge it" in said(app.error)
    assert "called 'b'" in said(pinning("channels", CHANNEL, Name_this_channel="b").success).lower()
    assert names_of(run).channel("conv2", 3) == "b"


def test_a_folder_that_can_not_be_written_shows_the_text(serve, tmp_path):
    (tmp_path / "findings").write_text("a file, not a folder")
    app = pinning("channels", CHANNEL, Name_this_channel="lost")
    assert "can't be written" in said(app.error) and any('name = "lost"' in each.value for each in app.code)


def test_who_may_only_read_names_nothing(run, serve):
    give(run, "wheels", names_of(run).the_channel("conv2", 3))
    serve(served_store(), read_only=True)
    app = fine(show("channels", CHANNEL, {"channels/pin": True}))
    assert "wheels (conv2, channel 3)" in words(app)
    assert not any(each.label.startswith("Name this") for each in app.text_input)
    app = fine(show("findings", {"show": "names"}, {f"names/{names_folder().read().files[0].stem}": True}))
    assert "wheels" in words(app) and not app.button


THINGS = {
    "a channel": (ChannelsView(layer="conv2", channel=3), ["conv2, channel 3"]),
    "the atlas": (ChannelsView(layer="conv2", channel=3, show="atlas"), []),
    "a strongest channel": (ImageView(image=1, tab="channels", strong="conv2/3"), ["conv2, channel 3"]),
    "none of the strongest": (ImageView(image=1, tab="channels"), []),
    "no channel": (ImageView(image=1, tab="channels", strong="conv2/99999"), []),
    "a number of no digits": (ImageView(image=1, tab="channels", strong="conv2/٣"), []),
    "a class's saliency": (ImageView(image=1, tab="saliency", target="8"), ["8"]),
    "a glance": (ImageView(image=1, target="8"), []),
    "an ascent": (LabView(method="ascend", layer="conv2", channel=3), ["conv2, channel 3"]),
    "a fooling image": (LabView(method="fool", image=1, target="8"), ["8"]),
    "a label": (MistakesView(label="8"), ["8"]),
    "two classes": (MistakesView(label="8", predicted="3"), ["8", "3"]),
    "one class twice": (MistakesView(label="8", predicted="8"), ["8"]),
    "all mistakes": (MistakesView(), []),
    "a map": (MapView(map="pca"), []),
    "the overview": (OverviewView(), []),
}


@pytest.mark.parametrize("case", THINGS)
def test_a_view_shows_what_can_have_a_name(case, run, serve):
    view, shown = THINGS[case]
    view = dataclasses.replace(view, store="digits", run=run.fingerprint)
    assert [each.where for each in things_of(view, run, names_of(run))] == shown


def test_a_region_is_named_and_its_link_opens_after_the_server_forgot_it(run, serve, copied):
    serve(copied)
    asked = {"map": "pca", "selection": selections.keep("digits", IDS)}
    app = pinning("map", asked, Name_this_region_of_the_map="corner")
    assert "corner: 4 images" in words(app)
    assert names_of(run).image_ids(names_of(run).regions("pca")[0]).tolist() == IDS.tolist()
    view = dataclasses.replace(MapView(**asked), store="digits", run=run.fingerprint)
    finding = finding_of(view, run, None, "Corner", "")
    # The server starts anew, and the store's folder of selections was cleared.
    for file in (copied / "selections").iterdir():
        file.unlink()
    serve(copied)
    assert not selections.is_kept("digits", asked["selection"])
    assert recheck(finding, result_of).kind == "holds"
    for file in (copied / "selections").iterdir():
        file.unlink()
    serve(copied)
    app = fine(show("map", asked))
    assert "corner: 4 images" in words(app) and not app.warning
    assert any("corner" in each.label for each in app.get("page_link"))
    app = fine(show("mistakes", {"selection": asked["selection"]}))
    assert "the region **corner**" in words(app)
    assert with_region(dataclasses.replace(view, selection="ab" * 8), run).selection == "ab" * 8


def test_a_name_is_shown_where_its_thing_is(run, serve):
    names = names_of(run)
    image = run.top_patches("conv2", 3).to_pylist()[0]["image_id"]
    give(run, "wheels", names.the_channel("conv2", 3))
    give(run, "eight", names.the_class("8"))
    app = settled(
        fine(show("image", {"image": image, "tab": "channels", "layer": "conv2", "strong": "conv2/3"}))
    )
    drawn = "".join(str(each.proto) for each in app.get("bidi_component"))
    assert "wheels" in drawn and any(
        "wheels (conv2, channel 3)" in unescaped(each.label) for each in app.metric
    )
    rows = link_table(
        fine(show("mistakes", {"tab": "classes"})), "Counts, recall and precision of each class"
    )
    assert "eight (8)" in [texts[0] for _, texts, _ in rows]
    assert all("label=eight" not in address for address, _, _ in rows)
    assert "eight (8) taken for another" in words(fine(show("mistakes", {"label": "8"})))


def test_boxes_bars_and_legends_say_the_name_and_keep_the_class(run, serve):
    called = "<b>eight</b> (8)"
    row = next(each for each in run.table("images").to_pylist() if each["predicted"] == "8")
    give(run, "<b>eight</b>", names_of(run).the_class("8"))
    app = fine(show("mistakes", {"label": "8"}))
    box = app.selectbox(key="mistakes.label")
    assert box.value == "8" and called in box.options and "8" not in box.options
    assert '["8", "<b>eight</b> (8)"]' in drawn(app)
    app = fine(app.selectbox(key="mistakes.predicted").select("8").run())
    assert query_of(app)["predicted"] == "8" and f"{called}, recognised" in words(app)
    assert called in fine(show("channels", {"show": "atlas"})).selectbox(key="channels.top_class").options
    app = fine(show("map", {"color": "predicted", "highlight": "8", "image": str(row["image_id"])}))
    assert query_of(app)["highlight"] == "8"
    assert '"<b>eight</b> (8)"' in drawn(app) and f"predicted {called}" in words(app)
    app = settled(fine(show("image", {"image": row["image_id"], "tab": "occlusion", "value": "argmax"})))
    assert f"predicted **{called}**" in words(app)
    (chart,) = (each.proto.body for each in app.get("html") if 'class="bar-chart"' in each.proto.body)
    assert "&lt;b&gt;eight&lt;/b&gt; (8)" in chart and "<b>eight" not in chart
    app = fine(show("lab", {"method": "fool", "target": "8"}))
    assert app.selectbox(key="lab.target").value == "8"
    assert called in app.selectbox(key="lab.target").options


def drawn(app):
    """What the components of a page are given."""
    return "".join(each.proto.json for each in app.get("bidi_component"))


def unescaped(text):
    return text.replace("\\", "")


def test_the_overview_names_its_channels(run, serve):
    app = fine(show("overview"))
    first = next(each.label for each in app.get("page_link") if ", channel " in each.label)
    layer, _, rest = unescaped(first).partition(", channel ")
    give(run, "wheels", names_of(run).the_channel(layer, int(rest.split()[0])))
    app = fine(show("overview"))
    assert any(unescaped(each.label).startswith(f"wheels ({layer}, channel") for each in app.get("page_link"))


def test_compare_shows_both_networks_names(run, serve, tmp_path):
    serve(served_store(), second := write_second_store(tmp_path / "second"))
    other = Store(second).open()
    view = CompareView(
        "digits", run.fingerprint, "second", other.fingerprint, "channels", layer="conv2", channel=3
    )
    # One network's channel, though the runs are two.
    assert [each.where for each in things_of(view, run, names_of(run))] == ["conv2, channel 3"]
    give(run, "wheels", names_of(run).the_channel("conv2", 3))
    app = fine(show("compare", view.to_query()))
    assert "wheels (conv2, channel 3)" in words(app)
    assert sum("channel 3 (wheels)" in unescaped(each.label) for each in app.get("page_link")) == 2
    assert name_of(view, run) == "wheels"


def test_a_name_is_of_its_network_alone(run, serve, tmp_path):
    serve(served_store(), path := write_other_store(tmp_path / "other"))
    give(run, "wheels", names_of(run).the_channel("conv2", 3))
    other = Store(path).open()
    assert names_of(other).channel("conv2", 3) is None
    assert "wheels" not in words(fine(show("channels", {"store": "other", **CHANNEL})))
    app = fine(show("findings", {"store": "other", "show": "names"}))
    assert "wheels: conv2, channel 3 :gray-badge[of another network" in words(app).replace("**", "")
    (kept,) = names_folder().read().files
    opened = opened_by(kept.name)
    assert (opened.store, opened.run, opened.layer, opened.channel) == ("digits", run.fingerprint, "conv2", 3)
    assert opened_by(dataclasses.replace(kept.name, store="nowhere")) is None
    assert opened_by(dataclasses.replace(kept.name, store="other", run="")) is None


def test_names_are_found_listed_changed_and_taken_away(run, serve):
    names = names_of(run)
    give(run, "wheels", names.the_channel("conv2", 3))
    give(run, "corner of wheels", names.the_region("pca", IDS))
    give(run, "eight", NamedClass("0" * 64, "8"))
    found = [(name, kind, type(view).__name__) for name, kind, view in hits("digits", run, "wheels")]
    assert found == [
        ("corner of wheels (PCA map)", "named region", "MapView"),
        ("wheels (conv2, channel 3)", "named channel", "ChannelsView"),
    ]
    assert ("wheels (conv2, channel 3)", "channel") in [each[:2] for each in hits("digits", run, "conv2 3")]
    assert not [each for each in hits("digits", run, "eight") if each[1].startswith("named")]
    app = fine(show("findings", {"show": "names", "find": "WHEELS"}))
    assert "2 of 3 names" in words(app) and "region of the PCA map, 4 images" in words(app)
    assert "eight" not in words(app)
    stem = stem_of(names.the_channel("conv2", 3))
    app = fine(show("findings", {"show": "names", "find": "conv2"}, {f"names/{stem}": True}))
    next(each for each in app.text_input if each.label == "Name").input("tyres")
    app = fine(button(app, "Rename").click().run())
    assert "Called 'tyres'" in said(app.success) and names_of(run).channel("conv2", 3) == "tyres"
    assert "tyres" in words(app)
    app = fine(show("findings", {"show": "names", "find": "conv2"}, {f"names/{stem}": True}))
    app = fine(button(app, "Remove the name").click().run())
    assert "taken away" in said(app.success) and names_of(run).channel("conv2", 3) is None


def test_an_address_is_titled_by_the_name(run, serve):
    view = ChannelsView("digits", run.fingerprint, layer="conv2", channel=3)
    assert name_of_address(view) == ""
    give(run, "<wheels>", names_of(run).the_channel("conv2", 3))
    assert title("channels", "digits", name_of_address(view)) == "<wheels> · Channels · digits · Featurescope"
    assert name_of_address(dataclasses.replace(view, run="")) == "<wheels>"
    for gone in ({"store": "nowhere"}, {"run": "nowhere"}, {"channel": 4}, {"layer": ""}, {"show": "atlas"}):
        assert name_of_address(dataclasses.replace(view, **gone)) == ""


def test_names_are_in_no_download(run, serve):
    """Page and command line give the same bytes, whoever has which names."""
    view = ChannelsView("digits", run.fingerprint, layer="conv2", channel=3)
    before = [download.picture for download in downloads_of(view, run, served_store()) if download.picture]
    give(run, "wheels", names_of(run).the_channel("conv2", 3))
    after = [download.picture for download in downloads_of(view, run, served_store()) if download.picture]
    assert before == after


def test_a_view_of_every_thing_opens_on_it(run, serve):
    names = names_of(run)
    for thing in (names.the_channel("conv2", 3), names.the_class("8"), names.the_region("pca", IDS)):
        give(run, "x" * LONGEST_NAME, thing)
    for name in names_of(run).all():
        view = with_region(view_of(name, "digits", run), run)
        (shown,) = things_of(view, run, names_of(run))
        assert shown == name.thing and name_of(view, run) == "x" * LONGEST_NAME
