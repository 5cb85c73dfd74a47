"""torchvision's small data sets."""

from functools import cached_property
from pathlib import Path
from typing import Any

from compute.images.encoding import encoded
from compute.images.sources.items import ImageSource, Item, by_path
from compute.images.sources.reach import ANYWHERE, Reach

TORCHVISION = "torchvision:"
DATASETS = {
    "CIFAR10": ("train", True),
    "CIFAR100": ("train", True),
    "MNIST": ("train", True),
    "FashionMNIST": ("train", True),
    "KMNIST": ("train", True),
    "STL10": ("split", "train"),
    "SVHN": ("split", "train"),
}
"""torchvision's data sets by name: the argument that chooses the split, and its value for training."""


class TorchvisionSource(ImageSource):
    """One of torchvision's small data sets, training and test images; downloaded on first use, where `reach`
    lets it."""

    def __init__(self, name: str, reach: Reach = ANYWHERE):
        check_dataset(name)
        self.name, self._download = name, reach.network
        self.spec = self.root = TORCHVISION + name
        self._splits = {split: self._open(split) for split in ("train", "test")}

    @cached_property
    def items(self) -> tuple[Item, ...]:
        items = []
        for split, dataset in self._splits.items():
            names = getattr(dataset, "classes", None)
            for index, target in enumerate(_targets(dataset)):
                label = names[target].replace("/", "-") if names else str(target)
                items.append(Item(f"{split}/{label}/{index:05d}.png", label, split))
        return by_path(items)

    def read(self, path: str) -> bytes:
        split, _, file = path.partition("/")
        index = file.rpartition("/")[2].removesuffix(".png")
        if split not in self._splits or not index.isdigit() or int(index) >= len(self._splits[split]):
            raise ValueError(f"no image {path!r} in {self.spec}")
        return encoded(self._splits[split][int(index)][0])

    def _open(self, split: str) -> Any:
        from compute.runtime.vision import datasets

        argument, training = DATASETS[self.name]
        value = (split == "train") if training is True else split
        folder = dataset_folder()
        try:
            return getattr(datasets, self.name)(folder, download=self._download, **{argument: value})
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"{self.name} can't be had ({error}). If this machine has no network: download it elsewhere "
                f"with torchvision.datasets.{self.name}(FOLDER, download=True) and put FOLDER's content in "
                f"{folder}"
            ) from error


def check_dataset(name: str) -> None:
    """Raise ValueError for a name that is none of DATASETS."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; choose from {', '.join(DATASETS)}, or give a folder")


def dataset_folder() -> Path:
    """Where torchvision's data sets are kept: beside its weights, under $TORCH_HOME (~/.cache/torch)."""
    import torch

    return Path(torch.hub.get_dir()).parent / "datasets"


def _targets(dataset: Any) -> list[int]:
    values = dataset.targets if hasattr(dataset, "targets") else dataset.labels
    return [int(value) for value in values]
