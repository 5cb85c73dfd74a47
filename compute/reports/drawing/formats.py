"""The kinds of file that a result is written to, by what their names end in."""

PNG, NPY, CSV, PARQUET = ".png", ".npy", ".csv", ".parquet"
FORMATS = (PNG, NPY, CSV, PARQUET)
