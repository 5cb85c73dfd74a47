"""Names that people give to channels, regions of a map and classes: text files in the folder of findings."""

from dashboard.findings.names.of_run import Names, names_of

__all__ = ["Names", "names_of"]
