"""A feature store of images: immutable runs of Parquet tables, read with pyarrow and numpy alone."""

from featurestore.reader import Run, Store

__all__ = ["Run", "Store"]
