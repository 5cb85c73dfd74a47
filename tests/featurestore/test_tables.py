"""Every table, through our reader and as it is in pandas, polars and DuckDB."""

import math

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurestore.files.arrays import matrix, vectors
from featurestore.reader import Store
from featurestore.schemas import SORT_KEYS, TABLES, conform, schema
from tests.support.stores.full import FINGERPRINT, IMAGES, UNREADABLE, WIDTH, rows_of, write_full_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("store")
    write_full_store(path)
    return path


def plain(value):
    """Python lists, dicts, ints, floats and None, whatever library a value came from."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    missing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return None if missing else value


def with_pandas(files):
    return pd.concat([pd.read_parquet(file) for file in files]).to_dict("records")


def with_polars(files):
    return pl.read_parquet(files).to_dicts()


def with_duckdb(files):
    result = duckdb.connect().execute(f"SELECT * FROM read_parquet({[str(file) for file in files]})")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.mark.parametrize("table", TABLES)
def test_round_trip(folder, table):
    read, written = Store(folder).open().table(table), conform(table, rows_of(table))
    assert read.to_pylist() == written.to_pylist()
    assert read.schema.equals(written.schema)


@pytest.mark.parametrize("read", [with_pandas, with_polars, with_duckdb])
@pytest.mark.parametrize("table", TABLES)
def test_others_read_the_files_as_they_are(folder, table, read):
    files = sorted((folder / "runs" / FINGERPRINT).glob(f"{table}-*.parquet"))
    assert plain(read(files)) == plain(rows_of(table).to_pylist())


@pytest.mark.parametrize("read", [with_pandas, with_polars, with_duckdb])
def test_others_read_a_table_without_rows(tmp_path, read):
    from featurestore.writing.run_writer import RunWriter

    RunWriter(tmp_path, "a").write_shard("problems", 0, TABLES["problems"].empty_table())
    assert read([tmp_path / "runs" / "a" / "problems-00000.parquet"]) == []


def test_every_column_says_what_it_holds(folder):
    run = Store(folder).open()
    for table in TABLES:
        for field in run.table(table).schema:
            assert field.metadata[b"description"], f"{table}.{field.name}"


@pytest.mark.parametrize("table", TABLES)
def test_keys_have_no_nulls_and_say_so(table):
    assert all(not TABLES[table].field(key).nullable for key in SORT_KEYS[table])


def test_width_of_features_is_the_networks(folder):
    assert schema("features", 7).field("feature").type == pa.list_(pa.float32(), 7)
    assert Store(folder).open().table("features").schema.field("feature").type.list_size == WIDTH
    with pytest.raises(ValueError, match="needs the width"):
        schema("features")


def test_features_are_nan_where_an_image_could_not_be_read(folder):
    features = Store(folder).open().features()
    assert features.shape == (IMAGES, WIDTH) and features.dtype == np.float32
    assert np.flatnonzero(np.isnan(features).any(axis=1)).tolist() == list(UNREADABLE)
    assert features[40].tolist() == rows_of("features")["feature"][40].as_py()


def test_vectors_and_matrix_are_inverse():
    values = np.random.default_rng(0).random((11, 3), np.float32)
    missing = np.arange(11) % 4 == 1
    column = pa.chunked_array([vectors(values[:5], missing[:5]), vectors(values[5:], missing[5:]).slice(2)])
    kept = np.r_[0:5, 7:11]
    assert np.array_equal(matrix(column), np.where(missing[:, None], np.nan, values)[kept], equal_nan=True)


@pytest.mark.parametrize("shape", [(4,), (4, 0), (2, 2, 2)])
def test_vectors_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="shape"):
        vectors(np.zeros(shape, np.float32))
