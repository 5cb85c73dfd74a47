"""Links, downloads and pins of Compare: both runs are proved, and the command line makes the same bytes."""

import dataclasses
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
import streamlit as st

from compute.reports.base import ReportInputs
from compute.reports.compare.explained import SHOWN, ExplainSpec
from compute.reports.compare.series import MOST
from dashboard.data import comparison, partners
from dashboard.data import runs as data
from dashboard.findings.pin_button import finding_of
from dashboard.findings.recheck import numbers_of, recheck
from dashboard.sharing.downloads import downloads_of
from dashboard.sharing.link_panel import proved
from dashboard.sharing.proof import Proof, compare, prove
from dashboard.views.definitions import CompareView
from dashboard.views.query_text import abbreviated
from featurestore.reader import Store
from tests.support.downloads import by_command
from tests.support.page_app import fine, query_of, show, words
from tests.support.stores.altered import altered
from tests.support.stores.served import copied_store, served_store, write_second_store, write_served_store

pytestmark = pytest.mark.slow

TABS = ("summary", "predictions", "neighbors", "channels", "maps")
NAME = "a name that is much too long for an address " * 4


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Under a long name."""
    return write_second_store(tmp_path_factory.mktemp("compare") / NAME.strip())


@pytest.fixture
def runs(second, serve):
    serve(served_store(), second)
    return Store(served_store()).open(), Store(second).open()


@pytest.fixture
def view(runs, second):
    asked = CompareView("digits", runs[0].fingerprint, other_store=second.name, other_run=runs[1].fingerprint)
    return asked.fitted(data.choices(runs[0]))[0]


def verdict(view, before, after):
    made = Proof.from_text(prove(view, before[0], None, before[1]).to_text())
    return compare(made, prove(view, after[0], None, after[1]))


def test_both_runs_are_proved(view, runs):
    assert (
        verdict(view, runs, runs).sentence
        == "Reproduced: the same two runs, by the checksums that all reading is held to"
    )
    changed = altered(runs[1], model={"name": "tiny", "weights_hash": "1" * 64})
    found = verdict(view, runs, (runs[0], changed))
    assert (found.kind, found.sentence.split(":")[0]) == ("differs", "Differs by the other run")
    assert "the model" in found.sentence
    assert "can't be read" in verdict(view, runs, (runs[0], None)).sentence
    assert "says nothing" in verdict(view, (runs[0], None), runs).sentence
    again = altered(runs[1], notes={"created": "another day"})
    assert verdict(view, runs, (runs[0], again)).kind == "reproduced"


def test_a_proof_of_two_runs_survives_its_text_and_is_short(view, runs):
    proof = prove(view, runs[0], None, runs[1])
    text = proof.to_text()
    assert Proof.from_text(text) == proof and len(text) < 400
    for cut in (text[:-1], text.rpartition("~")[0], text.replace("~other~", "~another~")):
        with pytest.raises(ValueError, match="can't be read"):
            Proof.from_text(cut)
    texts = {each.name: "鯨 &" * 300 for each in dataclasses.fields(view) if isinstance(each.default, str)}
    choices = {name: getattr(view, name) for name in ("tab", "kind", "sort", "color", "pictures", "order")}
    many = replace(proof, series=("abcd",) * MOST).to_text()
    assert Proof.from_text(many).to_text() == many
    longest = replace(CompareView(**texts | choices), image=10**17, channel=10**17, proof=many)
    assert len(urlencode(longest.to_query(), errors="replace")) < 1900


def test_all_runs_of_a_series_are_proved(view, runs, second, tmp_path, serve):
    third = tmp_path / "third"
    write_served_store(third, "--limit", "9", "--stages", "activations")
    serve(served_store(), second, third)
    view, last = replace(view, tab="series"), Store(third).open()
    other, series = partners.beside(view, runs[0])
    assert [each.fingerprint for each in series[:1]] == [runs[0].fingerprint]
    assert {each.fingerprint for each in series[1:]} == {runs[1].fingerprint, last.fingerprint}
    proof = prove(view, runs[0], None, other, series)
    assert Proof.from_text(proof.to_text()) == proof
    place = [each.fingerprint for each in series].index(last.fingerprint)

    def said(last, link=proof):
        now = prove(view, runs[0], None, other, [*series[:place], *last, *series[place + 1 :]])
        return compare(link, now).sentence

    assert said([last]).startswith("Reproduced: the same series of 3 runs")
    changed = altered(last, model={"name": "tiny", "weights_hash": "1" * 64})
    assert said([changed]) == f"Differs by run {place + 1} of the series"
    assert said([None]) == f"Differs by run {place + 1} of the series, which can't be read"
    assert said([]) == "Differs by the series, which had 3 runs and has 2"
    earlier = said([last], replace(proof, series=()))
    assert earlier.startswith("Reproduced: the same two runs") and "says nothing" in earlier
    assert partners.beside(replace(view, tab="summary"), runs[0]) == (other, ())
    asked = partners.completed(view, runs[0])
    query = proved(asked, runs[0], None).to_query()
    assert "Reproduced: the same series of 3 runs" in words(fine(show("compare", query)))
    serve(served_store(), second)
    named = [each and each.fingerprint for each in partners.beside(asked, runs[0])[1]]
    assert named[place] is None and set(named) == {None, *(each.fingerprint for each in runs)}
    assert "which can't be read" in words(fine(show("compare", query)))


def test_a_link_finds_a_long_name_and_says_reproduced(view, runs):
    query = proved(view, runs[0], None).to_query()
    assert query["other_store"] == abbreviated(view.other_store) != view.other_store
    app = fine(show("compare", query))
    assert "Reproduced: the same two runs" in words(app) and not app.warning
    assert query_of(app) == query


def test_a_regenerated_other_store_is_offered_and_the_links_run_again(view, runs, second, tmp_path, serve):
    path = tmp_path / "other"
    write_served_store(path, "--limit", "9", "--stages", "activations")
    old = Store(path).open()
    serve(served_store(), path)
    query = proved(replace(view, other_store="other", other_run=old.fingerprint), runs[0], None).to_query()
    write_served_store(path, "--limit", "8", "--stages", "activations")
    app = fine(show("compare", query))
    assert "Reproduced" in words(app) and "was regenerated" in words(app)
    app = fine(next(each for each in app.button if "current run" in each.label).click().run())
    assert "Differs by the other run" in words(app) and query_of(app)["other_run"] == Store(path).current()
    app = fine(next(each for each in app.button if "link's other run" in each.label).click().run())
    assert "Reproduced" in words(app)


@pytest.mark.parametrize("tab", TABS)
def test_the_command_line_writes_the_same_bytes(tab, view, runs, tmp_path):
    (download,) = downloads_of(replace(view, tab=tab, color="moved"), runs[0], served_store())
    for suffix in (".png", ".csv", ".parquet") if tab != "predictions" else (".csv", ".parquet"):
        assert download.file(suffix) == by_command(download, suffix, tmp_path)
    assert download.numbers


@pytest.mark.parametrize("tab", TABS)
def test_a_pin_has_numbers_and_holds(tab, view, runs, second, serve):
    finding = finding_of(replace(view, tab=tab), runs[0], None, "Two runs", "")
    assert len(finding.numbers) >= 5
    found = recheck(finding, lambda *_: None)
    assert found.kind == "holds", found.sentence
    less = dict(finding.numbers) | {next(iter(finding.numbers)): 10**6}
    assert recheck(replace(finding, numbers=less), lambda *_: None).kind == "differs"
    st.cache_resource.clear()
    serve(served_store())
    assert recheck(finding, lambda *_: None).kind == "unchecked"


def test_what_both_networks_see_is_written_by_the_command_line_too(view, runs, tmp_path, serve):
    copied_store(tmp_path / "copy")
    serve(served_store(), tmp_path / "copy")
    view = replace(view, other_store="copy", other_run=runs[0].fingerprint, tab="maps", image=3)
    assert len(downloads_of(view, runs[0], served_store())) == 1
    _, *beside = downloads_of(replace(view, explain=True), runs[0], served_store())
    assert [each.name for each in beside] == [f"explain-{each}-3" for each in SHOWN]
    for download in beside:
        for suffix in (".png", ".csv"):
            assert download.file(suffix) == by_command(download, suffix, tmp_path)
    assert numbers_of(replace(view, explain=True), runs[0], None) == numbers_of(view, runs[0], None)
    gone = replace(view, explain=True, image=-1)
    assert len(downloads_of(gone, runs[0], served_store())) == 1


def test_networks_that_may_not_be_used_leave_what_the_stores_know(view, runs, second, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "refusal", lambda run: "it is not trusted")
    shared = int(comparison.compared(*runs).matched.ids[0])
    view = replace(view, tab="predictions", image=shared, explain=True)
    (download,) = [each for each in downloads_of(view, runs[0], served_store()) if "explain" in each.name]
    assert download.name == f"explain-channels-{shared}" and "--stored" in download.command
    assert download.file(".csv") == by_command(download, ".csv", tmp_path)


def test_what_a_run_lacks_is_said(runs):
    shared = int(comparison.compared(*runs).matched.ids[0])
    lacking = next(
        each
        for each in range(runs[0].image_count)
        if comparison.compared(*runs).matched.rows(np.array(each)) < 0
    )
    inputs = ReportInputs(*runs, image_id=lacking)
    with pytest.raises(ValueError, match=f"image {lacking} is in one of the runs alone"):
        ExplainSpec("occlusion").make(inputs)
    with pytest.raises(ValueError, match="occlusion"):
        ExplainSpec("occlusion").make(replace(inputs, image_id=shared))
    with pytest.raises(ValueError, match="channels alone"):
        ExplainSpec("saliency", stored=True)
