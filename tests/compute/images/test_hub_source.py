"""Data sets of the Hugging Face hub: by its own library where that is installed, else a clear error."""

import sys

import pytest

from compute.images.sources import NotAllowed, Reach, is_own_name, open_source
from compute.images.sources.tables import hub
from compute.images.sources.tables.table_source import TableSource
from tests.support.pictures import encoded, noise

PICTURES = [encoded(noise(8 + number, 8)) for number in range(5)]


def test_without_the_library_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'datasets>=4'; or download"):
        open_source("hf:org/name")


def test_a_server_downloads_nothing():
    with pytest.raises(NotAllowed, match="not downloaded by this server"):
        open_source("hf:org/name", Reach(("/",), network=False))


@pytest.mark.parametrize("name", ["", "../x", "a/b/c", "org/name:", "/etc", "a b"])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="is no data set"):
        open_source(f"hf:{name}")
    assert is_own_name(f"hf:{name}")


class TestWithTheLibrary:
    @pytest.fixture
    def datasets(self, tmp_path, monkeypatch):
        datasets = pytest.importorskip("datasets", reason="datasets is not installed")
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        return datasets

    @pytest.fixture
    def folder(self, datasets, tmp_path):
        """A data set's folder, as it lies on the hub."""
        features = datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])}
        )
        for split, rows in (("train", slice(0, 3)), ("test", slice(3, 5))):
            images = [{"bytes": data, "path": None} for data in PICTURES[rows]]
            made = datasets.Dataset.from_dict(
                {"image": images, "label": [0, 1, 0][: len(images)]}, features=features
            )
            made.to_parquet(str(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet"))
            made.save_to_disk(str(tmp_path / "saved" / split))
        return tmp_path / "set"

    def test_its_cache_its_folder_and_what_it_saves_are_one(self, datasets, folder, tmp_path):
        cached = hub.data_set_folder(str(folder))
        (cached / "cache-0123456789abcdef.arrow").write_bytes(b"somebody's filter")
        for place in (cached, folder, tmp_path / "saved"):
            source = open_source(str(place))
            assert isinstance(source, TableSource) and source.classes == ("dog", "cat")
            assert [item.split for item in source.items] == ["test"] * 2 + ["train"] * 3
            assert [item.label for item in source.items] == ["dog", "cat", "dog", "cat", "dog"]
            assert [source.read(item.path) for item in source.items] == PICTURES[3:] + PICTURES[:3]

    def test_no_network(self, datasets, monkeypatch):
        def offline(*_, **__):
            raise ConnectionError("Couldn't reach 'org/name' on the Hub")

        monkeypatch.setattr(datasets, "load_dataset", offline)
        with pytest.raises(ValueError, match=r"'org/name' can't be had: Couldn't reach .* give their folder"):
            open_source("hf:org/name")

    def test_versions_that_run_code_are_refused(self, datasets, monkeypatch):
        monkeypatch.setattr(hub, "version", lambda name: "3.6.0")
        with pytest.raises(ValueError, match="may run code"):
            open_source("hf:org/name")
