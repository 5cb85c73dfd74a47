"""Links on the pages: their proof's verdict, kept results after a restart, regenerated stores, Results."""

import shutil
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
import streamlit as st

from compute.methods import METHODS
from compute.methods.base import Step
from dashboard.jobs.queue import OUT_OF_MEMORY
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import results
from featurestore.reader import Store
from tests.support.page_app import fine, pictures, query_of, said, settled, show, words
from tests.support.stores.served import write_served_store

pytestmark = pytest.mark.slow

LINK = {"store": "digits", "method": "saliency", "live": 1, "image": 3}
KEEP = {"results_mb": 16}


def restart():
    """What a new server knows: nothing."""
    st.cache_resource.clear()


def copied_link(page, query):
    """The query of the link that the page offers for copying."""
    app = settled(fine(show(page, query, {f"{page}/link": True})))
    return dict(parse_qsl(urlsplit(app.code[0].value).query))


def label_of(button):
    return button.label


def click(app, label):
    return fine(next(each for each in app.button if each.label == label).click().run())


def test_a_link_with_its_proof_is_reproduced_on_the_kept_result(copied, serve, monkeypatch):
    serve(copied, **KEEP)
    link = copied_link("lab", LINK)
    first = settled(fine(show("lab", LINK)))
    restart()
    monkeypatch.setattr("compute.models.zoo.load", lambda *_, **__: 1 / 0)
    second = fine(show("lab", link))
    assert "Reproduced: the same run, and the result has the same bytes" in words(second)
    assert pictures(second) == pictures(first) != []
    assert query_of(second) == link


def test_a_link_without_a_live_result_is_reproduced(copied, serve):
    serve(copied)
    link = copied_link("neighbors", {"store": "digits", "image": 5})
    app = fine(show("neighbors", link))
    assert "Reproduced: the same run, by the checksums that all reading is held to" in words(app)
    app = fine(app.number_input(key="neighbors.image").set_value(6).run())
    assert "proof" not in query_of(app) and "Reproduced" not in words(app)


def test_a_result_computed_again_is_reproduced(copied, serve):
    serve(copied)
    link = copied_link("lab", LINK)
    restart()
    app = settled(fine(show("lab", link)))
    assert "Reproduced: the same run, and the result has the same bytes" in words(app)
    app = settled(click(app, "Compute again"))
    assert "Reproduced: the same run, and the result has the same bytes" in words(app)


@pytest.mark.parametrize(
    ("share", "said"), [(1e-3, "Close: the same run"), (0.5, "Differs by the result: about")]
)
def test_a_result_from_elsewhere_is_close_or_differs(share, said, copied, serve, monkeypatch):
    serve(copied, **KEEP)
    link = copied_link("lab", LINK)
    results("digits").clear()
    restart()
    monkeypatch.setattr("dashboard.jobs.method_task.environment", lambda _: ELSEWHERE)
    alter_results(monkeypatch, share)
    app = settled(fine(show("lab", link)))
    assert said in words(app) and "another machine" in words(app)


ELSEWHERE = {"torch": "9.9", "device": "another machine", "threads": "64", "code": "00000000"}


def alter_results(monkeypatch, share):
    from dataclasses import replace

    from dashboard.jobs.request import Request

    plain = Request.steps

    def altered(self, *arguments):
        for step in plain(self, *arguments):
            yield replace(step, data=step.data * (1 + share))

    monkeypatch.setattr(Request, "steps", altered)


def test_a_kept_result_stays_and_says_why_computing_it_again_failed(copied, serve, monkeypatch):
    serve(copied, **KEEP)
    app = settled(fine(show("lab", LINK)))
    shown = pictures(app)

    def full(self, model, inputs):
        raise MemoryError
        yield

    monkeypatch.setattr(METHODS["saliency"], "steps", full)
    next(each for each in app.button if each.label == "Compute again").click().run()
    app = settled(app.run())
    assert f"Computing it again did not work: {OUT_OF_MEMORY}" in words(app) and pictures(app) == shown
    monkeypatch.undo()
    app = settled(click(app, "Compute again"))
    assert "did not work" not in words(app) and pictures(app) == shown


def test_a_proof_that_was_cut_short_is_said(copied, serve):
    serve(copied)
    link = copied_link("neighbors", {"store": "digits", "image": 5})
    app = show("neighbors", {**link, "proof": link["proof"][:-5]})
    assert "proof can't be read" in said(app.warning) and "Reproduced" not in words(app)


def test_a_proof_of_another_view_does_not_count(copied, serve):
    serve(copied)
    link = copied_link("neighbors", {"store": "digits", "image": 5})
    app = fine(show("neighbors", {**link, "image": "6"}))
    assert "Reproduced" not in words(app) and "proof" not in query_of(app)
    assert "its address was changed" in said(app.warning)


def test_a_regenerated_store_leads_to_the_new_run_and_back(copied, serve):
    serve(copied, **KEEP)
    link = copied_link("lab", LINK)
    older = Store(copied).current()
    write_served_store(copied, "--seed", "1")
    newer = Store(copied).current()
    app = settled(fine(show("lab", link)))
    assert "Reproduced" in words(app) and "regenerated" in words(app) and query_of(app)["run"] == older
    app = settled(click(app, "Show the same view on the new run"))
    assert query_of(app)["run"] == newer
    assert "Differs by the images; the store's parameters; the tables images, features" in words(app)
    assert "the result: " in words(app)
    app = settled(click(app, "Show the old run"))
    assert query_of(app)["run"] == older and "Reproduced" in words(app)


def test_a_regenerated_store_without_the_old_run_says_so(copied, serve):
    serve(copied)
    link = copied_link("neighbors", {"store": "digits", "image": 5})
    older = Store(copied).current()
    write_served_store(copied, "--seed", "1")
    shutil.rmtree(copied / "runs" / older)
    restart()
    app = fine(show("neighbors", link))
    assert "This run is gone" in words(app)
    app = click(app, "Show the same view on the current run")
    assert query_of(app)["run"] == Store(copied).current() and query_of(app)["image"] == "5"
    assert "Differs by" in words(app) and "folder is gone" in words(app)
    assert "Show the old run" not in map(label_of, app.button)


def test_a_store_that_cannot_keep_results_says_it_once(copied, serve):
    (copied / "results").write_text("in the way")
    serve(copied, **KEEP)
    app = settled(fine(show("lab", LINK)))
    assert "could not be kept" in words(app) and "--results-mb" in words(app)
    assert pictures(app)
    app.query_params["image"] = "4"
    app = settled(fine(app.run()))
    assert pictures(app) and "could not be kept" not in words(app)


def test_results_are_listed_opened_and_removed(copied, serve):
    serve(copied, **KEEP)
    shown = settled(fine(show("lab", LINK)))
    settled(fine(show("lab", {**LINK, "image": 4})))
    app = fine(show("results", {"store": "digits"}))
    assert app.metric[0].value == "2" and "of 16 MB" in app.metric[1].value
    assert len(app.get("image")) == 2
    links = [each.proto for each in app.get("page_link") if each.proto.label == "Open"]
    opened = fine(show("lab", dict(parse_qsl(links[1].query_string))))
    assert pictures(opened) == pictures(shown) != []
    app = click(app, "Remove")
    assert app.metric[0].value == "1"
    app = click(app, "Remove 1 result")
    assert app.metric[0].value == "0" and "No result is kept yet" in words(app)
    assert list((copied / "results").iterdir()) == []


def test_a_link_opens_on_its_page_of_the_results(copied, serve):
    serve(copied, **KEEP)
    made = Result.of(Step(1, 1, "image", np.zeros((4, 4, 3), np.float32)))
    for number in range(25):
        results("digits").put(f"{number:08x}", f"Result {number}", made)
    app = fine(show("results", {"store": "digits", "results_page": 2}))
    assert len(app.get("image")) == 1 and query_of(app)["results_page"] == "2"


def test_a_result_of_a_run_that_is_gone_is_not_offered(copied, serve):
    serve(copied, **KEEP)
    settled(fine(show("lab", LINK)))
    older = Store(copied).current()
    write_served_store(copied, "--seed", "1")
    shutil.rmtree(copied / "runs" / older)
    restart()
    app = fine(show("results", {"store": "digits"}))
    assert "Its run is gone" in words(app)
    assert not [each for each in app.get("page_link") if each.proto.label == "Open"]


def test_the_limit_holds_while_results_are_made(copied, serve):
    serve(copied, results_mb=0)
    settled(fine(show("lab", LINK)))
    assert not (copied / "results").exists()
