"""The Compare page through AppTest, on two stores of digits that share some images, and its routes."""

import dataclasses
import shlex
import shutil
from types import SimpleNamespace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import Camera, Frame
from dashboard.data import comparison, partners
from dashboard.data.comparison import Pair
from dashboard.sections.compare import shared_images, summary
from dashboard.server.routes.find import hits
from dashboard.server.routes.of_two_runs import comparison_routes
from dashboard.views import urls
from dashboard.views.binding import following, remember
from dashboard.views.definitions import CompareView, ImageView
from featurestore.reader import Run, Store
from tests.support.page_app import fine, grids, query_of, said, show, words
from tests.support.stores.served import (
    IMAGES,
    SECOND_IMAGES,
    copied_store,
    served_store,
    write_second_store,
    write_served_store,
)
from tests.support.stores.small import write_store

pytestmark = pytest.mark.slow

TABS = ("summary", "predictions", "neighbors", "channels", "maps")


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return write_second_store(tmp_path_factory.mktemp("compare") / "second")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return write_served_store(tmp_path_factory.mktemp("compare") / "single", "--limit", "1")


@pytest.fixture
def pair(store, second, serve):
    serve(store, second)
    return Store(store).open(), Store(second).open()


def metrics(app):
    return {each.label: each.value for each in app.metric}


def test_a_link_opens_on_its_page_of_the_images(pair, monkeypatch):
    monkeypatch.setattr(shared_images, "PER_PAGE", 8)
    app = fine(show("compare", {"store": "digits", "tab": "neighbors", "wall_page": 3}))
    assert app.session_state["compare.wall_page"] == 3 and query_of(app)["wall_page"] == "3"
    app = fine(app.slider(key="compare.k").set_value(5).run())
    assert query_of(app)["wall_page"] == "1"


def test_the_other_run_is_found_and_written_into_the_address(pair):
    app = fine(show("compare", {"store": "digits"}))
    query = query_of(app)
    assert (query["other_store"], query["other_run"]) == ("second", pair[1].fingerprint)
    common = len(comparison.compared(*pair).matched)
    assert common == SECOND_IMAGES
    assert f"{SECOND_IMAGES} images are in both" in words(app)
    assert f"{IMAGES - SECOND_IMAGES} images are only in digits" in words(app)


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_draws(tab, pair):
    app = fine(show("compare", {"store": "digits", "tab": tab}))
    assert not app.warning and query_of(app)["tab"] == tab
    assert app.metric or app.get("bidi_component") or app.success


def test_a_sentence_names_what_is_compared_and_says_what_changed(pair):
    app = fine(show("compare", {"store": "digits"}))
    said = app.markdown[0].value
    assert said.startswith("From **digits** to **second**, ") and said.count(". ") == 0
    assert f"**none** of {SECOND_IMAGES} images changes" in said and "**100%**" in said
    assert "keeps **10.0** of its 10 nearest images" in said


def test_runs_are_named_by_what_tells_them_apart(pair):
    view = CompareView("digits", "1", other_store="second")
    run, other = pair
    assert Pair(view, run, other).names == ("digits", "second")
    network = dataclasses.replace(other.manifest, model=other.manifest.model | {"name": "<b>resnet_18</b>"})
    named = SimpleNamespace(manifest=network, fingerprint=other.fingerprint)
    assert Pair(view, run, named).names == ("digits", "<b>resnet_18</b>")
    older = dataclasses.replace(run.manifest, notes={"created": "2026-01-02T03:04:05+00:00"})
    before = SimpleNamespace(manifest=older, fingerprint="0" * 20)
    alone = CompareView("digits", "1", other_store="digits")
    assert Pair(alone, run, before).names[1] == "the run of 2026-01-02 03:04"
    assert Pair(alone, run, run).names == ("digits", "digits")


def test_the_chart_has_what_was_measured(pair):
    view = CompareView("digits", pair[0].fingerprint, other_store="second", other_run=pair[1].fingerprint)
    found = {each.name: each for each in summary.measured(Pair(view, *pair))}
    compared = comparison.compared(*pair)
    overlap = compared.neighbor_overlap(view.k)
    nearest = found[f"{view.k} nearest images"]
    assert nearest.share == pytest.approx(np.mean(overlap.share[overlap.k > 0]))
    assert nearest.chance == pytest.approx(overlap.k.mean() / (SECOND_IMAGES - 1))
    for layer in compared.layers:
        channels = compared.channels(layer)
        shares = channels.overlap.share[channels.overlap.k > 0]
        assert found[f"Channels of {layer}"].share == pytest.approx(np.nanmean(shares))
        assert found[f"Channels of {layer}"].partners == channels.partner_mean
    assert found["Predicted class"].share == 1 and found["Features (linear CKA)"].share == pytest.approx(1)
    residual = compared.moved("pca").aligned.residual
    assert found["Map by PCA (1 minus residual)"].share == pytest.approx(1 - residual)
    bars = summary.chart(list(found.values())).data[0]
    assert list(bars.x) == [each.share for each in found.values()] and min(bars.x) < 0.9


def offered(app):
    return {each.proto.page for each in app.get("page_link")}


def test_compare_is_offered_as_soon_as_there_is_a_partner(copied, second, serve, tmp_path):
    serve(tmp_path)
    write_store(tmp_path / "small")
    for page in ("overview", "image", "map", "channels"):
        assert "compare" not in offered(fine(show(page, {"store": "digits"})))
    assert "compare" in offered(fine(show("compare", {"store": "digits"})))
    run = Store(copied).open()
    assert "Compare" not in [title for title, kind, _ in hits("digits", run, "compare") if kind == "page"]
    shutil.copytree(second, tmp_path / "second")
    for page in ("overview", "image", "map", "channels"):
        assert "compare" in offered(fine(show(page, {"store": "digits"})))
    assert "Compare" in [title for title, kind, _ in hits("digits", run, "compare") if kind == "page"]


def test_whether_there_is_a_partner_takes_no_table(pair, monkeypatch):
    monkeypatch.setattr(Run, "table", lambda *_: 1 / 0)
    monkeypatch.setattr(Run, "select", lambda *_: 1 / 0)
    assert partners.has_partner("digits", pair[0]) and partners.has_partner("second", pair[1])


def test_an_older_run_of_the_same_store_is_a_partner(copied, serve):
    serve(copied)
    assert not partners.has_partner("digits", Store(copied).open())
    write_served_store(copied, "--limit", "9", "--stages", "activations,neighbors")
    assert partners.has_partner("digits", Store(copied).open())


def test_an_older_run_that_cannot_be_read_is_no_partner(copied, serve):
    serve(copied)
    manifest = Store(copied).open().folder / "manifest.json"
    older = manifest.parents[1] / ("0" * 20)
    older.mkdir()
    text = manifest.read_text()
    (older / "manifest.json").write_text(text.replace('"schema_version": 1', '"schema_version": 9'))
    assert len(Store(copied).runs()) == 2
    assert not partners.has_partner("digits", Store(copied).open())
    fine(show("overview", {"store": "digits"}))


def test_one_network_twice_differs_only_in_its_maps(pair):
    shown = metrics(fine(show("compare", {"store": "digits"})))
    assert shown["Predictions changed"] == "0.0%" and shown["Linear CKA"] == "1.000"
    assert shown["Neighbour overlap@10"] == "100.0%" and shown["McNemar's p"] == "1"
    layer = Store(served_store()).open().table("layers")["layer"].to_pylist()[0]
    assert shown[layer] == "100.0%"


@pytest.mark.parametrize("tab", TABS)
def test_a_store_beside_its_copy(tab, store, serve, tmp_path):
    """Both have one run of one fingerprint."""
    copy = copied_store(tmp_path / "copy")
    serve(store, copy)
    query = query_of(
        fine(show("compare", {"store": "digits", "other_store": "copy", "tab": tab, "image": 3}))
    )
    assert (query["other_store"], query["image"]) == ("copy", "3")


def test_a_run_compared_with_itself_agrees_in_all(store, serve):
    serve(store)
    app = fine(show("compare", {"store": "digits", "other_store": "digits"}))
    assert "compared with itself" in said(app.info)
    shown = metrics(app)
    assert shown["PCA residual"] == "0.000" and shown["Neighbour overlap@10"] == "100.0%"
    app = fine(app.segmented_control(key="compare.tab").set_value("predictions").run())
    assert "same class for all 34 images" in said(app.success)


@pytest.mark.parametrize("tab", TABS)
def test_runs_without_a_common_image_say_what_to_do(tab, store, serve, tmp_path):
    write_store(tmp_path / "small")
    serve(store, tmp_path / "small")
    app = fine(show("compare", {"store": "digits", "other_store": "small", "tab": tab}))
    assert "no image in common" in said(app.info) and app.code[0].value.startswith("make store")
    app = fine(show("compare", {"store": "small", "other_store": "small", "tab": tab}))
    assert "compared with itself" in said(app.info)


def test_without_another_run_over_these_images_it_says_what_to_build(store, serve, tmp_path):
    write_store(tmp_path / "small")
    serve(store, tmp_path / "small")
    app = fine(show("compare", {"store": "digits"}))
    assert query_of(app).get("other_store") is None and "nothing to compare with yet" in said(app.info)
    words = shlex.split(app.code[0].value)
    assert words[:2] == ["make", "store"]
    assert {"IMAGES=digits", f"LIMIT={IMAGES}", f"STORE={store.parent / 'digits-resnet18'}"} <= set(words)
    app = fine(app.selectbox(key="compare.other_store").select("small").run())
    assert "no image in common" in said(app.info)


def test_an_image_a_channel_and_a_map_lead_here_beside_the_run_compared_last(pair):
    channel, image = {"layer": "conv2", "channel": 5}, {"image": 3}
    pages = {"image": image, "channels": channel, "map": {"map": "pca", **image}}
    tabs = {"image": "predictions", "channels": "channels", "map": "maps"}
    for page, asked in pages.items():
        app = fine(show(page, {"store": "digits", **asked}))
        links = [each.proto for each in app.get("page_link") if each.proto.page == "compare"]
        queries = [dict(parse_qsl(each.query_string)) for each in links]
        (query,) = (each for each in queries if each["tab"] == tabs[page])
        assert query.items() >= {name: str(value) for name, value in asked.items()}.items()
        app = fine(show("compare", query))
        assert query_of(app)["other_store"] == "second" and not app.info


def test_the_other_run_goes_with_the_one_it_was_chosen_beside():
    view = CompareView("a", "1", other_store="b", other_run="2", tab="maps")
    session = {}
    remember(view, session)
    assert following(CompareView, ImageView("a", "1"), session).other_store == "b"
    assert following(CompareView, ImageView("b", "2"), session).other_store == ""
    assert following(CompareView, ImageView("b", "2"), session).tab == "maps"


@pytest.mark.parametrize("tab", ["summary", "predictions", "neighbors", "channels"])
def test_one_common_image_is_enough(tab, single, store, serve):
    serve(store, single)
    app = fine(show("compare", {"store": "digits", "other_store": "single", "tab": tab}))
    assert "1 image is in both" in words(app)


@pytest.mark.parametrize(
    "gone", [{"other_store": "nowhere"}, {"other_store": "second", "other_run": "0" * 20}]
)
def test_another_run_that_is_gone_can_be_replaced(gone, pair):
    app = fine(show("compare", {"store": "digits", **gone}))
    assert "can't be shown" in said(app.warning)
    button = next(each for each in app.button if each.label == "Compare with another run")
    app = fine(button.click().run())
    assert query_of(app)["other_run"] == pair[1].fingerprint and not app.warning


def test_the_runs_can_be_swapped(pair):
    app = fine(show("compare", {"store": "digits", "image": 3}))
    app = fine(next(each for each in app.button if each.label == "Swap").click().run())
    query = query_of(app)
    assert (query["store"], query["run"]) == ("second", pair[1].fingerprint)
    assert (query["other_store"], query["other_run"]) == ("digits", pair[0].fingerprint)
    assert query["image"] == "-1"


def test_choosing_a_store_takes_its_current_run(pair):
    app = fine(show("compare", {"store": "digits"}))
    app = fine(app.selectbox(key="compare.other_store").select("digits").run())
    assert query_of(app)["other_run"] == pair[0].fingerprint and "itself" in said(app.info)


def test_a_chosen_image_shows_both_opinions_and_both_neighbourhoods(pair):
    shared, other = (
        int(each[0])
        for each in (comparison.compared(*pair).matched.ids, comparison.compared(*pair).matched.other_ids)
    )
    app = fine(show("compare", {"store": "digits", "tab": "maps", "image": shared}))
    assert f"Image {shared} of digits" in words(app) and f"Image {other} of second" in words(app)
    charts = [each for each in app.get("html") if 'class="bar-chart"' in each.proto.body]
    assert len(charts) == 2
    app = fine(show("compare", {"store": "digits", "tab": "neighbors", "image": shared}))
    assert f"The neighbours of image {shared}" in words(app) and grids(app) == 3
    alone = next(image for image in range(IMAGES) if image not in comparison.compared(*pair).matched.ids)
    app = fine(show("compare", {"store": "digits", "tab": "neighbors", "image": alone}))
    assert f"Image {alone} is in digits alone" in words(app)


def test_channels_are_sorted_and_chosen_by_their_layer(pair):
    layer = pair[0].table("layers")["layer"].to_pylist()[-1]
    query = {"store": "digits", "tab": "channels", "layer": layer, "channel": 5, "sort": "partner"}
    app = fine(show("compare", query))
    assert f"{layer}, channel 5" in words(app) and query_of(app)["channel"] == "5"


@pytest.fixture
def client(pair):
    runs = {("digits", pair[0].fingerprint): pair[0], ("second", pair[1].fingerprint): pair[1]}
    return TestClient(Starlette(routes=comparison_routes(lambda *name: runs[name])))


@pytest.fixture
def view(pair):
    return CompareView("digits", pair[0].fingerprint, other_store="second", other_run=pair[1].fingerprint)


def address(view: CompareView, *parts: object) -> str:
    return urls.of_two_runs((view.store, view.run, view.other_store, view.other_run), *parts)


def test_both_plots_get_the_shared_images_by_the_first_runs_ids(client, view, pair):
    matched, found = comparison.compared(*pair).matched, comparison.moved(*pair, "pca")
    for side, points in (("here", found.here), ("there", found.aligned.points)):
        content = client.get("/" + address(view, "points", "pca", side)).content
        x, y, ids = np.split(np.frombuffer(content, "<f4"), 3)
        assert ids.view("<u4").tolist() == matched.ids.tolist()
        np.testing.assert_allclose(np.stack([x, y], 1), points, rtol=1e-5)
    for column in ("kind", "moved"):
        values = np.frombuffer(client.get("/" + address(view, "colors", "pca", column)).content, "<f4")
        assert len(values) == IMAGES
        assert np.flatnonzero(np.isfinite(values)).tolist() == matched.ids.tolist()


def test_thumbnails_of_both_plots_are_those_of_the_first_run(client, view, pair):
    matched = comparison.compared(*pair).matched
    for side in ("here", "there"):
        deepest = client.get("/" + address(view, "sprites", "pca", side)).json()["deepest"]
        content = client.get("/" + address(view, "sprites", "pca", side, 0, "0_0")).content
        count = int(np.frombuffer(content, "<u4", 1)[0])
        ids = np.frombuffer(content, "<u4", count, 4)
        assert set(ids) <= set(matched.ids) and 0 < count <= len(matched.ids)
        assert (np.frombuffer(content, np.uint8, count, 4 + 4 * count) == 0).all()
        assert client.get("/" + address(view, "sprites", "pca", side, deepest + 1, "0_0")).status_code == 404


def test_a_caption_is_what_the_other_network_says(client, view, pair):
    matched = comparison.compared(*pair).matched
    said = client.get("/" + address(view, "caption", matched.ids[2])).json()
    other = pair[1].image(int(matched.other_ids[2]))
    assert (said["image_id"], said["predicted"]) == (matched.ids[2], other["predicted"])
    assert said["probability"] == pytest.approx(other["probability"])


@pytest.mark.parametrize(
    "parts",
    [
        ("points", "pca", "above"),
        ("points", "isomap", "here"),
        ("sprites", "pca", "above"),
        ("caption", "9999"),
        ("colors", "pca", "mood"),
        ("caption", "one"),
    ],
)
def test_what_is_not_there_is_not_found(parts, client, view):
    assert client.get("/" + address(view, *parts)).status_code == 404
    gone = dataclasses.replace(view, other_run="0" * 20)
    assert client.get("/" + address(gone, *parts)).status_code == 404


def test_two_plots_show_the_same_part_of_the_plane():
    first, second = (np.random.default_rng(seed).normal(seed, 1 + seed, (9, 2)) for seed in (1, 2))
    here, there = Frame.of(first), Frame.of(second)
    camera = Camera(0.2, -0.4, 3.0)
    seen = there.seen_from(camera, here)
    middle = np.array(camera[:2]) / here.scale + here.center
    np.testing.assert_allclose((middle - there.center) * there.scale, seen[:2])
    assert camera.zoom * here.scale == pytest.approx(seen.zoom * there.scale)
    np.testing.assert_allclose(here.seen_from(seen, there), camera)
