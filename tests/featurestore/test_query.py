"""Questions in SQL: answers against pandas, what may not be asked, bounds, damage, and the command line."""

import io
import json
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.__main__ import main
from featurestore.files import shard as shard_file
from featurestore.query.answers import Limits
from featurestore.query.asking import answering, ask
from featurestore.query.engine import answer
from featurestore.query.files import file_of, plain_table
from featurestore.query.lazy_table import lazy_table
from featurestore.query.statement import LONGEST
from featurestore.reader import Store
from featurestore.schemas import TABLES
from tests.support.stores.full import FINGERPRINT, IMAGES, write_full_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store")
    write_full_store(path)
    return path


@pytest.fixture(scope="module")
def run(store):
    return Store(store).open()


def rows(run, sql, **limits):
    return answer(run, sql, Limits(**{"rows": 10_000} | limits)).table.to_pylist()


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_what_the_reader_gives(run, table):
    assert rows(run, f'SELECT * FROM "{table}"') == run.table(table).to_pylist()
    assert rows(run, f'SELECT count(*) n FROM "{table}"') == [{"n": len(run.table(table))}]


def test_mean_loss_by_class_is_that_of_pandas(run):
    found = rows(
        run, "SELECT label, avg(loss) AS loss, count(*) AS n FROM images GROUP BY label ORDER BY label"
    )
    images = run.table("images", ["label", "loss"]).to_pandas()
    wanted = images.groupby("label", dropna=False)["loss"].agg(lambda each: each.astype(float).mean())
    counts = images["label"].value_counts(dropna=False)
    assert {row["label"]: row["n"] for row in found if row["label"]} == counts[counts.index.notna()].to_dict()
    for row in found:
        if row["label"]:
            assert row["loss"] == pytest.approx(wanted[row["label"]], rel=1e-6)


def test_a_join_of_a_table_with_itself_reads_it_twice(run):
    sql = (
        "SELECT a.image_id, b.image_id FROM images a JOIN images b ON b.image_id = a.image_id + 1 "
        "ORDER BY ALL LIMIT 3"
    )
    assert rows(run, sql) == [{"image_id": i, "image_id_2": i + 1} for i in range(3)]


def test_a_filter_leaves_what_pandas_leaves(run):
    found = rows(run, "SELECT image_id FROM images WHERE NOT correct AND probability > 0.5 ORDER BY image_id")
    images = run.table("images", ["image_id", "correct", "probability"]).to_pandas()
    wanted = images[(images["correct"] == False) & (images["probability"] > 0.5)]  # noqa: E712 (nulls are no errors)
    assert [row["image_id"] for row in found] == wanted["image_id"].tolist() != []


@pytest.mark.parametrize(
    "sql",
    [
        "FROM images SELECT image_id LIMIT 1",
        "TABLE maps",
        "VALUES (1), (2)",
        "DESCRIBE images",
        "SUMMARIZE images",
        "WITH best AS (SELECT max(loss) m FROM images) SELECT m FROM best",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
        "SELECT unnest(top5) FROM IMAGES LIMIT 1",
        "SELECT r FROM range(3) t(r), generate_series(1, 2)",
        "SELECT 1;  -- and no more",
        'SELECT "image_id" FROM "images" i WHERE EXISTS (FROM top_patches p WHERE p.image_id = i.image_id)',
    ],
)
def test_what_may_be_asked(run, sql):
    assert rows(run, sql)


HOSTILE = {
    "COPY images TO '{secret}.csv'": "only a SELECT",
    "COPY (SELECT 1) TO '{secret}'": "only a SELECT",
    "ATTACH '{secret}' AS other": "only a SELECT",
    "INSTALL httpfs": "only a SELECT",
    "LOAD httpfs": "only a SELECT",
    "PRAGMA database_list": "only a SELECT",
    "SET enable_external_access = true": "only a SELECT",
    "RESET lock_configuration": "only a SELECT",
    "CREATE TABLE t AS SELECT 1": "only a SELECT",
    "CREATE SECRET s (TYPE s3)": "only a SELECT",
    "EXPORT DATABASE '{secret}'": "only a SELECT",
    "CALL duckdb_settings()": "",
    "EXPLAIN ANALYZE SELECT 1": "only a SELECT",
    "PREPARE p AS SELECT 1": "only a SELECT",
    "SELECT 1; SELECT 2": "one SELECT",
    "SELECT 1; COPY images TO '{secret}'": "",
    "": "",
    ";": "",
    "-- nothing": "",
    "SELEC 1": "can't be read",
    "SELECT * FROM read_csv('{secret}')": "function 'read_csv'",
    "SELECT * FROM read_text('{secret}')": "function 'read_text'",
    "SELECT * FROM read_blob('{secret}')": "function 'read_blob'",
    "SELECT * FROM glob('/*')": "function 'glob'",
    "SELECT * FROM parquet_scan('{secret}')": "function 'parquet_scan'",
    "SELECT * FROM system.main.read_csv('{secret}')": "function",
    "SELECT (SELECT count(*) FROM read_text('{secret}')) FROM images": "function 'read_text'",
    "WITH t AS (FROM read_text('{secret}')) SELECT * FROM t": "function 'read_text'",
    "SELECT * FROM query('SELECT 1')": "function 'query'",
    "SELECT * FROM query_table(['images'])": "function 'query_table'",
    "SELECT * FROM duckdb_settings()": "function 'duckdb_settings'",
    "SELECT * FROM arrow_scan(1, 2, 3)": "function 'arrow_scan'",
    "SELECT * FROM pandas_scan(1)": "function 'pandas_scan'",
    "SELECT * FROM '{secret}'": "no table",
    "SELECT * FROM 'https://127.0.0.1/x.parquet'": "no table",
    "SELECT * FROM run": "no table",
    "SELECT * FROM information_schema.tables": "no table",
    "SELECT * FROM duckdb_views": "no table",
    "SHOW TABLES": "no table",
    "SELECT * FROM nothing": "no table 'nothing'; tables are",
    "SELECT current_setting('secret_directory')": "current_setting",
    "SELECT getenv('HOME')": "getenv",
    "SELECT nothing FROM images": "nothing",
    "SELECT CAST('x' AS INTEGER)": "x",
    f"SELECT '{'x' * LONGEST}'": "characters",
    "SELECT " + "(" * 400 + "1" + ")" * 400: "",
}


@pytest.mark.parametrize("sql", HOSTILE)
def test_what_may_not_be_asked_is_said(run, tmp_path, sql):
    secret = tmp_path / "secret.txt"
    secret.write_text("a\nsecret\n")
    with pytest.raises(ValueError, match=HOSTILE[sql] or None) as raised:
        rows(run, sql.replace("{secret}", str(secret)))
    assert "secret\n" not in str(raised.value)
    assert [each.name for each in tmp_path.iterdir()] == ["secret.txt"]


def test_settings_forbid_files_even_where_the_parser_lets_them_by(run, tmp_path, monkeypatch):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    monkeypatch.setattr("featurestore.query.engine.tables_of", lambda *arguments: [])
    for sql in (
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM '{secret}'",
        f"COPY (SELECT 1) TO '{secret}'",
        f"ATTACH '{secret}.db' AS other",
        "SET enable_external_access = true",
        "SET memory_limit = '1TB'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM run",
    ):
        with pytest.raises(ValueError):
            rows(run, sql)
    assert secret.read_text() == "a\n1\n" and list(tmp_path.iterdir()) == [secret]


def test_a_long_answer_is_cut_and_says_so(run):
    found = answer(run, "SELECT * FROM range(1000000000)", Limits(rows=2500))
    assert found.table.num_rows == 2500 and found.cut == "the first 2,500 rows alone"
    assert found.table.column(0).to_pylist() == list(range(2500))
    whole = answer(run, "SELECT image_id FROM images", Limits(rows=IMAGES))
    assert whole.table.num_rows == IMAGES and whole.cut == ""
    assert answer(run, "SELECT image_id FROM images", Limits(rows=0)).table.num_rows == 0


def test_a_large_answer_is_cut_by_its_bytes(run):
    found = answer(run, "SELECT repeat('x', 1000) FROM range(100000)", Limits(rows=100_000, bytes=100_000))
    assert 80 <= found.table.num_rows <= 100 and "by their size" in found.cut
    huge = answer(run, "SELECT repeat('x', 1000000)", Limits(bytes=1000))
    assert huge.table.num_rows == 0 and huge.cut == "the first 0 rows alone, by their size"


def test_only_the_columns_that_are_asked_for_are_read(run, monkeypatch):
    read = []
    fetch = shard_file.Shard.fetch
    monkeypatch.setattr(
        shard_file.Shard, "fetch", lambda self, part: (read.append(part.what), fetch(self, part))[1]
    )
    dataset = lazy_table(run, "features")
    dataset.count_rows()  # reads the footers, with all that lies in the same 64 KiB
    read.clear()
    assert dataset.to_table(columns=["image_id"]) == run.table("features", ["image_id"])
    assert set(read) == {"row group 0, column image_id"}


def test_bytes_that_are_not_those_of_the_manifest_are_said(store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    run = Store(copy).open()
    part = next(each for each in run.shards("images")[1]().ranges() if each.what.endswith("column path"))
    file = copy / "runs" / FINGERPRINT / "images-00001.parquet"
    content = bytearray(file.read_bytes())
    content[part.start + part.length // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"images-00001\.parquet, row group 0, column path.*checksum differs"
    ):
        rows(Store(copy).open(), "SELECT path FROM images")


def test_columns_of_one_name_each_have_their_own(run):
    assert rows(run, "SELECT 1 AS x, 2 AS x, 3 AS x_2, 4 AS x") == [{"x": 1, "x_2": 2, "x_2_2": 3, "x_3": 4}]


class TestFiles:
    ODD = (
        "SELECT 1::HUGEINT h, 1.5 d, 'a,\"b\n' t, '=1+1' f, NULL n, [1, NULL] l, {'k': 'v'} s, 'x'::BLOB b, "
        "DATE '2026-01-02' AS d2, 0.1::FLOAT f32, 1/0 inf, true yes"
    )

    def test_csv(self, run):
        table = answer(run, self.ODD, Limits()).table
        lines = file_of(table, ".csv").decode()
        read = pd.read_csv(io.StringIO(lines)).iloc[0]
        assert (read["h"], read["d"], read["t"], read["f"], read["f32"]) == (1, 1.5, 'a,"b\n', "'=1+1", 0.1)
        assert (read["l"], read["s"], read["b"]) == ("[1, null]", '{"k": "v"}', "eA==")

    def test_parquet_is_the_answer(self, run):
        table = answer(run, self.ODD, Limits()).table
        assert pq.read_table(io.BytesIO(file_of(table, ".parquet"))).to_pylist() == table.to_pylist()

    def test_json(self, run):
        (row,) = json.loads(file_of(answer(run, self.ODD, Limits()).table, ".json"))
        assert row["h"] == 1 and row["d"] == 1.5 and row["inf"] == "inf" and row["l"] == [1, None]
        assert row["d2"] == "2026-01-02" and row["b"] == "eA==" and row["yes"] is True

    def test_a_type_that_a_format_lacks_is_said(self, run):
        table = answer(run, "SELECT INTERVAL 3 DAY AS i", Limits()).table
        with pytest.raises(ValueError, match="Parquet has no type"):
            file_of(table, ".parquet")
        assert b"i" in file_of(table, ".csv") and json.loads(file_of(table, ".json"))
        with pytest.raises(ValueError, match=r"choose \.csv, \.parquet, \.json"):
            file_of(table, ".exe")

    def test_a_terminal_shows_control_characters_by_their_numbers(self):
        shown = plain_table(pa.table({"a\x1b[2J": ["x\x1b]0;t\x07", "\u202ey"], "n": [1, 20]}))
        assert shown.isprintable() or (
            set(shown) - {"\n"} and all(c.isprintable() for c in shown if c != "\n")
        )
        assert shown.splitlines()[1].endswith(" 1") and "\\u001b" in shown


class TestProcess:
    """What only a process of its own survives."""

    @pytest.mark.slow
    def test_its_answer_is_that_of_this_process(self, store, run):
        sql = "SELECT path, loss FROM images ORDER BY loss DESC NULLS LAST"
        assert ask(store, sql).table.to_pylist() == rows(run, sql)
        assert ask(store, sql, FINGERPRINT, Limits(rows=2)).cut == "the first 2 rows alone"
        with pytest.raises(ValueError, match="'gone' is not in"):
            ask(store, sql, "gone")
        with pytest.raises(ValueError, match="is no store"):
            ask(store / "nothing", sql)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "sql",
        [
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
            "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range * b.range = 7",
            "SELECT list_sort(range(200000000))[5]",
        ],
    )
    def test_what_does_not_end_is_given_up(self, store, sql):
        start = time.monotonic()
        with pytest.raises(ValueError, match=r"longer than 1 s|MiB of memory"):
            ask(store, sql, limits=Limits(seconds=1))
        assert time.monotonic() - start < 30

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT repeat('a', 4000000000)",
            "SELECT list(range) FROM range(10000000000)",
            "SELECT string_agg(repeat('x', 10000), '') FROM range(10000000)",
            "SELECT * FROM range(100000000) ORDER BY hash(range)",
        ],
    )
    def test_what_needs_too_much_memory_is_given_up(self, store, sql):
        with pytest.raises(ValueError, match=r"256 MiB of memory|longer than"):
            ask(store, sql, limits=Limits(memory=256 << 20, seconds=30))

    @pytest.mark.slow
    def test_a_question_that_nobody_waits_for_ends_at_once(self, store, monkeypatch):
        began = []
        popen = subprocess.Popen

        def started(*arguments, **options):
            began.append(popen(*arguments, **options))
            return began[-1]

        monkeypatch.setattr(subprocess, "Popen", started)
        endless = "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range = 7"
        running = answering(store, endless, limits=Limits(seconds=60))
        assert next(running) is None and began[0].poll() is None
        start = time.monotonic()
        running.close()
        assert began[0].returncode == -signal.SIGKILL and time.monotonic() - start < 2

    def test_a_killed_process_is_said(self, store, monkeypatch, tmp_path):
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(ValueError, match="memory"):
            ask(store, "SELECT 1")


@pytest.mark.slow
class TestCommand:
    def call(self, capsys, *arguments):
        code = main(["sql", *map(str, arguments)])
        return code, *capsys.readouterr()

    def test_it_prints_a_plain_table(self, store, capsys):
        sql = "SELECT image_id, path FROM images ORDER BY image_id DESC"
        code, out, err = self.call(capsys, store, sql, "--rows", 2)
        assert code == 0 and err == "note: the first 2 rows alone\n"
        assert out.splitlines() == ["image_id  path", "      59  cat/059.png", "      58  bee/058.png"]

    def test_a_long_value_is_cut_with_a_mark_and_whole_in_files(self, store, capsys, tmp_path):
        whole, longest = "x" * 61, "y" * 60
        sql = "SELECT repeat('x', 61) AS a, repeat('y', 60) AS b, range(40) AS c"
        code, out, err = self.call(capsys, store, sql)
        shown = out.splitlines()[1].split("  ")
        assert code == 0 and shown[:2] == [f"{'x' * 59}…", longest] and shown[2].endswith("…")
        said = 'note: 2 values of more than 60 characters are cut and end in "…"; '
        assert err == f"{said}--json and --out leave them whole\n"
        assert json.loads(self.call(capsys, store, sql, "--json")[1])["rows"][0]["a"] == whole
        self.call(capsys, store, sql, "--out", tmp_path / "x.csv")
        assert whole in (tmp_path / "x.csv").read_text()
        assert self.call(capsys, store, "SELECT 1 AS x")[2] == ""

    def test_json_says_whether_it_was_cut(self, store, capsys):
        code, out, err = self.call(capsys, store, "SELECT 1 AS x", "--json", "--run", FINGERPRINT)
        assert (code, json.loads(out), err) == (0, {"rows": [{"x": 1}], "cut": ""}, "")

    def test_files(self, store, capsys, tmp_path):
        for name in ("x.csv", "x.parquet", "x.json"):
            file = tmp_path / name
            code, out, _ = self.call(capsys, store, "SELECT image_id FROM images", "--out", file)
            assert code == 0 and out == f"{file}: {IMAGES} rows\n" and file.stat().st_size

    def test_errors(self, store, capsys, tmp_path):
        assert self.call(capsys, store, "DROP TABLE images")[::2] == (
            2,
            "error: only a SELECT is answered: nothing can be written, attached, installed or set\n",
        )
        code, out, _ = self.call(capsys, store, "SELECT 1", "--out", "x.exe", "--json")
        assert code == 2 and "'x.exe' must end in one of .csv" in json.loads(out)["error"]
        for wrong in (["--rows", "-1"], ["--seconds", "0"], ["--seconds", "nan"]):
            with pytest.raises(SystemExit):
                main(["sql", str(store), "SELECT 1", *wrong])
