"""What an address, a store's names or a finding says is shown as it is: no link, no formatting, no HTML."""

import re
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.findings.folder import Folder
from dashboard.findings.names import names_of
from dashboard.findings.names.folder import names_folder
from dashboard.findings.names.record import LONGEST_NAME, LONGEST_WHO, Name
from dashboard.findings.record import Finding
from dashboard.findings.stories.folder import FOLDER, StoriesFolder
from dashboard.findings.stories.record import Quoted, Text, told
from dashboard.server.routes.of_runs import make_routes
from dashboard.views import urls
from dashboard.views.navigation import PAGES
from dashboard.widgets import figures
from featurestore.reader import Store
from tests.support.page_app import markdown, settled, show
from tests.support.stores.hostile import EVIL, MARKUP, NAMES, hostile_store

pytestmark = pytest.mark.slow

DIRECTION = "[\u202a-\u202e\u2066-\u2069]"
ACTIVE = (
    r"(?<!\\)\]\(",
    rf"(?<!\\):(?!gray\[\])[^ ]*{EVIL}",
    rf"www\.?\\?\.{EVIL}",
    r"(?<!\\)<(?=[a-z/])",
    r"(?<!\\)\*\*Expired",
    r"(?<!\\):(red-background|smile|material/delete)",
    r"(?<!\\)\$x",
    DIRECTION,
)
"""What Markdown, or Streamlit, would make more of than text."""


def active(app):
    return [(each, text) for text in markdown(app) for each in ACTIVE if re.search(each, text)]


@pytest.fixture
def hostile(serve):
    store = hostile_store()
    serve(store, trusted=(str(store.parents[1] / "network.py"),))
    return store


ADDRESSES = [
    ("map", {"store": MARKUP}),
    ("map", {"run": MARKUP}),
    *(
        ("map", {name: MARKUP})
        for name in ("map", "show", "color", "search", "proof", "selection", "highlight")
    ),
    *(("channels", {name: MARKUP}) for name in ("layer", "channel", "find", "top_class", "sort")),
    *(("image", {name: MARKUP}) for name in ("image", "upload", "tab", "method", "target", "strong")),
    ("image", {"tab": "strongest", "strong": MARKUP}),
    *(("neighbors", {name: MARKUP}) for name in ("image", "upload", "count")),
    *(("mistakes", {name: MARKUP}) for name in ("label", "predicted", "split", "column", "value", "sort")),
    *(
        ("lab", {"method": "fool", name: MARKUP})
        for name in ("target", "layer", "p.attack", "p.epsilon", "x")
    ),
    ("lab", {"method": MARKUP}),
    *(
        ("compare", {name: MARKUP})
        for name in ("other_store", "other_run", "label", "layer", "kind", "color")
    ),
    ("compare", {"other_store": "hostile", "other_run": MARKUP}),
    ("results", {"method": MARKUP}),
    ("findings", {"find": MARKUP}),
]


@pytest.mark.parametrize(("page", "query"), ADDRESSES, ids=lambda each: str(each)[:40])
def test_an_addresss_text_is_text(hostile, page, query):
    app = show(page, query)
    assert not app.exception and active(app) == []


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("image", [0, 3])
def test_a_stores_names_are_text(hostile, page, image):
    tabs = ("occlusion", "channels", "neighbors") if page == "image" else ("",)
    for tab in tabs:
        app = settled(show(page, {"image": str(image), "search": "e", **({"tab": tab} if tab else {})}))
        assert not app.exception and active(app) == []
        choices = [choice for box in app.selectbox for choice in box.options]
        assert choices and not re.search(DIRECTION, "".join(choices))


def test_a_findings_words_are_text(hostile, serve, tmp_path):
    run = Store(hostile).open()
    query = {"image": "1"}
    made = Finding(
        MARKUP, MARKUP, datetime.now(UTC), "map", query, "hostile", run.fingerprint, {"name": MARKUP},
        numbers={MARKUP: MARKUP, "n": 1},
    )  # fmt: skip
    slug = Folder(tmp_path).add(made, None)
    stories = StoriesFolder(tmp_path / FOLDER)
    story = stories.add(told(MARKUP[:100], [Text(MARKUP), Quoted(slug), Text(MARKUP), Quoted(MARKUP)]))
    (stories.path / "`a` [x](https:evil.example).toml").write_text("format = 2")
    (tmp_path / "`a` [x](https:evil.example).toml").write_text("format = 2")
    serve(hostile, findings=str(tmp_path))
    told_as = ({"show": "stories"}, {"show": "stories", "story": story}, {"show": "stories", "story": MARKUP})
    for page, query in (("findings", {}), ("overview", {}), *(("findings", each) for each in told_as)):
        app = show(page, query)
        assert not app.exception and active(app) == []


def test_a_name_is_text(hostile, serve, tmp_path):
    run = Store(hostile).open()
    serve(hostile, findings=str(tmp_path))
    names, layer = names_of(run), run.table("layers", ["layer"])["layer"][0].as_py()
    for name in NAMES:
        for thing in (names.the_channel(layer, 0), names.the_class(NAMES[0]), names.the_class(NAMES[8])):
            names_folder().give(
                Name(name[:LONGEST_NAME], thing, datetime.now(UTC), name[:LONGEST_WHO], MARKUP)
            )
        for page, query in (
            ("findings", {"show": "names"}),
            ("channels", {"layer": layer, "channel": "0"}),
            ("mistakes", {"label": NAMES[0], "predicted": NAMES[8]}),
        ):
            app = show(page, query)
            assert not app.exception and active(app) == []


def test_plotly_gets_no_html():
    assert figures.label("%{x} <b>bold</b> \u202e&lt;") == "%{x} &lt;b&gt;bold&lt;/b&gt; \ufffd&amp;lt;"
    said = [[NAMES[1]]]
    drawn = figures.read_under_the_mouse("data:,", said, ([1.0], [1.0]), (2, 2)).to_json()
    drawn += figures.color_bar(["#000000", "#ffffff"], 0, 1, NAMES[2]).to_json()
    assert "<img" not in drawn and "<a " not in drawn and "&lt;img" in drawn.replace("\\u0026", "&")


def test_captions_of_pictures_and_points_turn_no_direction(hostile):
    run = Store(hostile).open()
    client = TestClient(Starlette(routes=make_routes(lambda name, fingerprint: run)))
    row = next(
        each for each in run.table("images", ["image_id", "label"]).to_pylist() if "gnp.exe" in each["label"]
    )
    caption = client.get("/" + urls.captions("hostile", run.fingerprint) + str(row["image_id"])).json()
    assert "gnp.exe" in caption["label"] and "\u202e" not in caption["label"] + caption["path"]
    app = show("mistakes", {"label": row["label"]})
    data = "".join(str(each.proto) for each in app.get("bidi_component"))
    assert not app.exception and "\u202e" not in data and "\\342\\200\\256" not in data
