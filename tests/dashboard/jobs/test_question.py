"""A question in SQL on the Overview page: answer, images, link, files, and what is refused."""

import io
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest

from compute.reports.drawing.formats import CSV, PARQUET
from dashboard.data import runs
from dashboard.jobs.question import question_task
from dashboard.jobs.queue import State, jobs
from dashboard.sections.overview.ask import EXAMPLES
from dashboard.sharing.downloads import downloads_of
from dashboard.views.definitions import LONGEST_QUESTION, OverviewView
from featurestore.__main__ import main
from featurestore.reader import Store
from tests.support.page_app import fine, grids, query_of, said, settled, show, words
from tests.support.stores.hostile import hostile_store

pytestmark = pytest.mark.slow

UNSURE = "SELECT image_id, path, probability FROM images ORDER BY probability, image_id LIMIT 7"


def asked(sql, **query):
    return settled(show("overview", {"show": "ask", "sql": sql, **query}))


def test_a_link_opens_on_the_answer_with_its_images(store, run, serve):
    serve(store)
    app = fine(asked(UNSURE))
    wanted = run.table("images", ["image_id", "path", "probability"]).to_pandas()
    wanted = wanted.sort_values(["probability", "image_id"]).head(7)
    assert app.dataframe[0].value.to_dict("records") == wanted.to_dict("records")
    assert grids(app) == 1
    assert query_of(app)["sql"] == UNSURE and not app.warning


def test_every_example_is_answered(store, serve):
    serve(store)
    app = fine(show("overview", {"show": "ask"}))
    for name, (_, sql) in EXAMPLES.items():
        app = settled(fine(app.button(key=f"ask/{name}").click().run()))
        assert query_of(app)["sql"] == sql and len(app.dataframe[0].value.columns)


def test_a_question_is_typed_and_asked(store, serve):
    serve(store)
    app = fine(show("overview", {"show": "ask"}))
    app = settled(fine(app.text_area[0].set_value("SELECT 6 * 7 AS answer, [1] AS list").run()))
    assert app.dataframe[0].value.to_dict("records") == [{"answer": 42, "list": "[1]"}]
    assert query_of(app)["sql"] == "SELECT 6 * 7 AS answer, [1] AS list" and grids(app) == 0


@pytest.mark.parametrize(
    "sql", ["DROP TABLE images", "SELECT * FROM read_csv('/etc/passwd')", "SELECT 1; SELECT 2"]
)
def test_what_may_not_be_asked_is_said(store, serve, sql):
    serve(store)
    app = asked(sql)
    assert not app.exception and app.error and not app.dataframe


def test_a_question_that_an_address_has_no_room_for_is_not_asked(store, serve):
    serve(store)
    app = asked("SELECT 1 -- " + "x" * LONGEST_QUESTION)
    assert "longer than the address" in said(app.error) and not app.dataframe


def test_numbers_that_are_no_images_are_said(store, serve):
    serve(store)
    app = fine(asked("SELECT * FROM (VALUES (0), (99999), (-1), (0), (NULL)) t(image_id)"))
    assert "2 numbers in image_id are no images" in words(app) and grids(app) == 1


def test_a_long_value_is_cut_with_a_mark_and_whole_in_the_download(store, run, serve):
    serve(store)
    app = fine(asked("SELECT repeat('<b>', 21) AS long, 'short' AS short"))
    (table,) = app.dataframe
    assert table.value.to_dict("records") == [{"long": f"{'<b>' * 19}<b…", "short": "short"}]
    assert '1 value of more than 60 characters is cut and ends in "…"; **Download** leaves them' in words(app)
    assert "characters" not in words(fine(asked("SELECT 'short' AS short")))


def test_it_is_off_where_live_methods_are(store, serve):
    serve(store, live=False)
    app = asked(UNSURE)
    assert "--no-live" in said(app.error) and not app.dataframe


def test_a_hostile_store_shows_texts(serve):
    store = hostile_store()
    serve(store, trusted=(str(store.parents[1] / "network.py"),))
    app = fine(asked("SELECT path, label FROM images"))
    assert len(app.dataframe[0].value) == Store(store).open().image_count


def test_page_and_command_have_the_same_rows(store, run, serve, tmp_path, capsys):
    serve(store)
    (download,) = downloads_of(OverviewView("digits", run.fingerprint, show="ask", sql=UNSURE), run, store)
    assert main(["sql", str(store), UNSURE, "--out", str(tmp_path / "x.csv")]) == 0
    assert download.file(CSV) == (tmp_path / "x.csv").read_bytes()
    read = pq.read_table(io.BytesIO(download.file(PARQUET))).to_pandas()
    pd.testing.assert_frame_equal(read, pd.read_csv(tmp_path / "x.csv"), check_dtype=False, rtol=1e-6)
    assert download.command.startswith(f"python -m featurestore sql {store} 'SELECT image_id")
    assert runs.settings().live


def test_a_cancelled_question_ends_at_once(store, run, serve):
    serve(store)
    endless = "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range = 7"
    task = question_task(run, OverviewView(store.name, run.fingerprint, show="ask", sql=endless))
    jobs().submit(task.key, task.title, "somebody", task.prepare(), view=task.view)
    while jobs().find(task.key).step is None:
        time.sleep(0.05)
    start = time.monotonic()
    jobs().cancel(task.key)
    assert jobs().wait(task.key, 10).state is State.CANCELLED and time.monotonic() - start < 3
