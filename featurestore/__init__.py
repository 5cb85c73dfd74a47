"""A feature store of images: immutable runs of Parquet tables, read with pyarrow, asked in SQL with DuckDB."""

from featurestore.reader import Run, Store

__all__ = ["Run", "Store"]
