"""One question answered in this very process, with everything but the run's tables locked.

Only a process of its own may call this (`featurestore.query.asking`): a statement can use up memory in ways
that DuckDB doesn't count.
"""

import pyarrow as pa

from featurestore.query.answers import Answer, Limits
from featurestore.query.lazy_table import lazy_table
from featurestore.query.statement import tables_of
from featurestore.reader import Run

MISSING = "DuckDB is not installed; `pip install duckdb` in the environment of this program"
LOCKED = (
    "python_enable_replacements = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    "enable_external_access = false",
    "threads = 1",  # so that sums of floats are the same each time
    "max_expression_depth = 250",
    "lock_configuration = true",
)
BATCH = 1000
"""Rows that are taken from DuckDB at a time."""


def answer(run: Run, sql: str, limits: Limits) -> Answer:
    """Answer one SELECT; ValueError where it can't be, in DuckDB's words where it has some."""
    try:
        import duckdb
    except ImportError as error:
        raise ValueError(MISSING) from error
    with duckdb.connect(":memory:", config={"temp_directory": ""}) as connection:
        try:
            connection.execute(f"SET memory_limit = '{limits.memory >> 20}MiB'")
            for each in LOCKED:
                connection.execute(f"SET {each}")
            for name in tables_of(connection, sql, run.tables()):
                connection.register(name, lazy_table(run, name))
            reader = connection.sql(sql).to_arrow_reader(BATCH)
            return _taken(reader, limits)
        except duckdb.OutOfMemoryException as error:
            raise MemoryError from error
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise ValueError(_said(error)) from error


def _taken(reader: pa.RecordBatchReader, limits: Limits) -> Answer:
    """Take rows until there are enough, or too many bytes of them."""
    batches, rows, size, cut = [], 0, 0, ""
    for batch in reader:
        room = limits.rows - rows
        if batch.num_rows > room:
            batch, cut = batch.slice(0, room), f"the first {limits.rows:,} rows alone"
        share = limits.bytes - size
        if batch.nbytes > share:
            fitting = _fitting(batch, share)
            batch, cut = batch.slice(0, fitting), f"the first {rows + fitting:,} rows alone, by their size"
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if cut:
            break
    return Answer(_plain_columns(pa.Table.from_batches(batches, reader.schema)), cut)


def _fitting(batch: pa.RecordBatch, room: int) -> int:
    """Return how many of the first rows have no more bytes than that."""
    low, high = 0, batch.num_rows
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if batch.slice(0, middle).nbytes <= room else (low, middle - 1)
    return low


def _plain_columns(table: pa.Table) -> pa.Table:
    """Return the table with a name of its own for each column, and whole numbers as such where they fit."""
    names: list[str] = []
    for name in table.column_names:
        taken = next(number for number in range(1, len(names) + 2) if _numbered(name, number) not in names)
        names.append(_numbered(name, taken))
    return pa.table(dict(zip(names, map(_whole, table.columns), strict=True)))


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A sum of whole numbers comes as decimals of 38 digits."""
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            return column
    return column


def _said(error: Exception) -> str:
    """Return what went wrong, without the lines that point into the statement."""
    text = str(error).strip() or type(error).__name__
    return text.partition("\n\nLINE ")[0].replace("\n", " ")
