"""Data sets of the Hugging Face hub, downloaded once by their own library into its cache.

What comes of it is a folder of Arrow files: stores name that folder, and need neither network nor library.
"""

from importlib.metadata import version
from pathlib import Path

from compute.images.sources.reach import ANYWHERE, NotAllowed, Reach
from compute.images.sources.tables.table_source import TableSource

OLDEST = 4
"""Major version of `datasets` from which on no data set brings code that it would run."""


def open_data_set(name: str, reach: Reach = ANYWHERE) -> TableSource:
    """The images of ORG/NAME or ORG/NAME:CONFIGURATION; ValueError, saying what to do, where it can't be
    had."""
    if not reach.network:
        raise NotAllowed(f"the data set {name!r} is not downloaded by this server")
    return TableSource(data_set_folder(*name.partition(":")[::2]))


def data_set_folder(name: str, configuration: str = "") -> Path:
    """Where `datasets` keeps a data set on this machine, once it has it; ValueError as above."""
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"hf:{name} needs Hugging Face's datasets: python -m pip install 'datasets>={OLDEST}'; or "
            "download the data set's Parquet files elsewhere and give their folder"
        ) from error
    if int(version("datasets").partition(".")[0]) < OLDEST:
        raise ValueError(
            f"datasets {version('datasets')} may run code of a data set; install 'datasets>={OLDEST}'"
        )
    try:
        splits = datasets.load_dataset(name, configuration or None)
    except Exception as error:  # the library, the hub and the network raise many kinds
        said = " ".join(str(error).split())[:300]
        raise ValueError(
            f"the data set {name!r} can't be had: {said}. If this machine has no network: download its "
            "Parquet files elsewhere and give their folder"
        ) from error
    folders = {Path(file["filename"]).parent for split in splits.values() for file in split.cache_files}
    if len(folders) != 1:
        raise ValueError(f"the data set {name!r} is not kept in one folder; save it with save_to_disk")
    return folders.pop()
