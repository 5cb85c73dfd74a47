"""A feature store of images: immutable runs of Parquet tables, read with pyarrow, asked in SQL by DuckDB."""

from featurestore.reader import Run, Store

__all__ = ["Run", "Store"]
