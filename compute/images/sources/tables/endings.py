"""What the names of tables' files end with; apart from what reads them, which takes a while to import."""

PARQUET, ARROW = ".parquet", ".arrow"
