"""A feature store of images: immutable runs of Parquet tables, read with pyarrow and numpy alone."""
