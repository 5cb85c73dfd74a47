"""One store to be made: which model over which images with which parameters, and its fingerprint."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from compute.images.loading import ahead, unread_because
from compute.images.pixel_vectors import pixel_vectors
from compute.images.sources import ImageSource, Item, Unreachable, are_lists, class_names, names_of_label
from compute.methods.capabilities import capabilities
from compute.methods.requirements import no_classes_because
from compute.models.model import Model
from compute.pipeline.choices import ADDED, check_neighbors, complete_stages
from compute.pipeline.stages.activations import OnePass, pass_batch
from compute.pipeline.stages.columns import column_kinds
from compute.pipeline.stages.occlusion import OcclusionStage, default_patch, default_stride
from compute.runtime.precision import check_precision, dtype_name
from compute.runtime.progress import StageProgress
from compute.runtime.threads import available_cores
from featurestore.schemas import SCHEMA_VERSION

PIPELINE_VERSION = 6
"""Raised when a stage computes something else than before from the same input."""

LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "pyarrow",
    "umap-learn",
    "openTSNE",
    "pynndescent",
)
UNREAD = "unread: "
"""What stands in place of the SHA-256 of bytes that can't be read, before the reason."""

EXACT_PRODUCTS = {"cpu": 10**13, "cuda": 10**16}
"""Multiply-adds of an exact search up to which it is quick, some minutes; elsewhere as on a CPU."""

READERS = min(32, max(4, available_cores()))
"""Threads that read and decode images ahead of the network, without a word on it. They are threads, since the
decoder, the scaling and the hash let go of Python's lock: see docs/benchmarks.md."""


@dataclass(frozen=True)
class Parameters:
    """What a store is computed with.

    stages: names of the stages, in their order, but for those that are only added to a run (`ADDED`)
    seed: of every random choice
    limit: how many images at most, None for all
    occlusion_patch, occlusion_stride: pixels of the network's input
    threads: of every library, in each process; results may depend on their number
    precision: of the one pass (`compute.runtime.precision`); occlusion is always in float32
    neighbors: how they are found: exact, approximate, or auto, which is exact where that is quick
    """

    stages: tuple[str, ...]
    seed: int
    limit: int | None
    occlusion_patch: int
    occlusion_stride: int
    threads: int
    precision: str = "float32"
    neighbors: str = "auto"


def parameters(
    model: Model, stages: tuple[str, ...] | None = None, seed: int = 0, limit: int | None = None,
    occlusion_patch: int | None = None, occlusion_stride: int | None = None, threads: int | None = None,
    precision: str = "float32", neighbors: str = "auto",
) -> Parameters:  # fmt: skip
    """Return the parameters, with defaults that depend on the model and on the machine.

    The occlusion patch is a quarter and the stride an eighth of the input's shorter side; there are as many
    threads as torch takes by itself. ValueError for a value that can't be.
    """
    patch = default_patch(model.input_size) if occlusion_patch is None else occlusion_patch
    stride = default_stride(model.input_size) if occlusion_stride is None else occlusion_stride
    if not 1 <= patch <= min(model.input_size):
        raise ValueError(f"occlusion patch {patch} must lie between 1 and {min(model.input_size)} pixels")
    if stride < 1:
        raise ValueError(f"occlusion stride {stride} must be at least 1 pixel")
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; a shard needs at least 1")
    check_precision(precision)
    check_neighbors(neighbors)
    if stages is not None and "occlusion" in stages and (reason := no_classes_because(model)) is not None:
        raise ValueError(f"stage occlusion watches a class's score, and {model.name} has none: {reason}")
    left_out = stages_left_out(model) if set(stages or ()).issubset(ADDED) else {}
    stages = tuple(stage for stage in complete_stages(stages) if stage not in {*left_out, *ADDED})
    threads = threads or torch.get_num_threads()
    return Parameters(stages, seed, limit, patch, stride, threads, precision, neighbors)


def stages_left_out(model: Model) -> dict[str, str]:
    """Stages that the network has nothing for, each with the reason."""
    reason = no_classes_because(model)
    return {} if reason is None else {"occlusion": reason}


@dataclass(frozen=True)
class Job:
    """One store to be made.

    model: the network
    spec: how the model was asked for
    source: where the images are read
    items: the images, sorted by path; an image's id is its place among them
    digests: SHA-256 of each image's bytes, or why they can't be read (see `image_digests`)
    parameters: what the store is computed with
    columns: names of the items' `values`
    readers: threads that read and decode images ahead of the network; nothing depends on their number
    showcase: names of the layers of whose channels the run is to have pictures; no part of its fingerprint
    """

    model: Model
    spec: Mapping[str, Any]
    source: ImageSource
    items: tuple[Item, ...]
    digests: tuple[str, ...]
    parameters: Parameters
    columns: tuple[str, ...] = ()
    readers: int = READERS
    showcase: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[str, ...]:
        """All that are to be computed, in their order."""
        return self.parameters.stages + (("showcase",) if self.showcase else ())

    @cached_property
    def images_hash(self) -> str:
        """SHA-256 over path, label, split and content of all images, and of what else is said of them."""
        entries = [
            [item.path, item.label, item.split, digest, *item.values]
            for item, digest in zip(self.items, self.digests, strict=True)
        ]
        return _digest([self.columns, entries] if self.columns else entries)

    @cached_property
    def fingerprint(self) -> str:
        """20 hexadecimal digits of everything that the tables' bytes follow from."""
        return _digest(
            {
                **_of_scores(self.model),
                **_of_layers(self.model),
                **({"groups": "each label of a list"} if self.labels_are_lists else {}),
                "schema": SCHEMA_VERSION,
                "pipeline": PIPELINE_VERSION,
                "weights": self.model.weights_hash,
                "network": str(self.model.graph or self.model.module),
                "preprocessing": self.model.preprocessing.to_dict(),
                "classes": self.model.classes,
                "images": self.images_hash,
                "parameters": asdict(self.parameters),
                "versions": versions(),
                "device": self.model.device.type,
            }
        )[:20]

    @cached_property
    def feature_dim(self) -> int:
        with torch.inference_mode():
            blank = torch.zeros(1, self.model.in_channels, *self.model.input_size)
            return self.model.features(blank).numel()

    @cached_property
    def pixel_dim(self) -> int:
        """Length of a vector in pixel space."""
        return pixel_vectors(torch.zeros(1, self.model.in_channels, *self.model.input_size)).shape[1]

    def is_approximate(self, space: str) -> bool:
        """Return whether neighbours are looked for approximately: as asked, or where exactly takes long."""
        if self.parameters.neighbors != "auto":
            return self.parameters.neighbors == "approximate"
        width = self.feature_dim if space == "feature" else self.pixel_dim
        return len(self.items) ** 2 * width > EXACT_PRODUCTS.get(
            self.model.device.type, EXACT_PRODUCTS["cpu"]
        )

    @cached_property
    def one_pass(self) -> OnePass:
        return OnePass(self.model, pass_batch(self.model), self.parameters.precision)

    @cached_property
    def occlusion_stage(self) -> OcclusionStage:
        return OcclusionStage(self.model, self.parameters.occlusion_patch, self.parameters.occlusion_stride)

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """Classes for the channels' selectivity: the labels, or the network's own without any."""
        labels = class_names(self.items)
        if not self.labels_are_lists:
            return labels or self.model.classes
        return tuple(sorted({name for label in labels for name in self._names(label)}))

    def _names(self, label: str | None) -> tuple[str, ...]:
        """The groups of an image with this label."""
        if label is None:
            return ()
        return (self.labels_are_lists and names_of_label(label, self.model.classes)) or (label,)

    @cached_property
    def labels_are_lists(self) -> bool:
        """Whether labels name several classes each, as independent labels may."""
        return self.model.output.independent and are_lists(self.items, self.model.classes)

    def groups(self, image_ids: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """(n, most labels of an image) indices of each image's groups, -1 where it has fewer or no label
        among others that have one, and for all where there are neither labels nor class scores."""
        if not class_names(self.items):
            return logits.argmax(1)[:, None] if self.model.classes else np.full((len(image_ids), 1), -1)
        index = {name: position for position, name in enumerate(self.group_names)}
        names = [self._names(self.items[row].label) for row in image_ids]
        found = np.full((len(names), max(map(len, names), default=0) or 1), -1)
        for row, own in enumerate(names):
            found[row, : len(own)] = [index[name] for name in own]
        return found

    def manifest_fields(
        self, accuracy: Mapping[str, float], problems: int, notes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the manifest says beside its files.

        accuracy: by split, and "all"
        problems: number of images that can't be read
        notes: anything further
        """
        model = self.model
        return {
            "model": {
                "name": model.name, "weights_hash": model.weights_hash, "spec": dict(self.spec),
                "preprocessing": model.preprocessing.to_dict(), "classes": list(model.classes),
                "parameters": sum(each.numel() for each in model.module.parameters()),
                "capabilities": capabilities(model), "feature_dim": self.feature_dim,
                "accuracy": dict(accuracy), "labels_are_lists": self.labels_are_lists, **model.facts,
            },
            "images": {
                "spec": self.source.spec, "root": self.source.root, "hash": self.images_hash,
                "count": len(self.items), "problems": problems,
                "labels": sorted({item.label for item in self.items if item.label is not None}),
                **({"columns": column_kinds(self.columns, self.items)} if self.columns else {}),
            },
            "parameters": asdict(self.parameters),
            "versions": versions(),
            "device": model.device.type,
            "dtype": dtype_name(self.parameters.precision, model.device),
            "threads": self.parameters.threads,
            "class_names": model.classes,
            "notes": dict(notes),
        }  # fmt: skip


def image_digests(
    source: ImageSource, items: tuple[Item, ...], progress: StageProgress, readers: int = READERS
) -> tuple[str, ...]:
    """Return the SHA-256 of each image's bytes, or `UNREAD` and the reason where they can't be read.

    readers: threads

    The reason stands in table `problems`, whose bytes must follow from the fingerprint. Unreachable where the
    place of the images can't be asked, so that nothing is known of them.
    """
    digests = []
    for digest in ahead(lambda item: _image_digest(source, item), items, readers, 16 * readers):
        digests.append(digest)
        progress.advance()
    return tuple(digests)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute."""
    return {"python": platform.python_version(), **{library: version(library) for library in LIBRARIES}}


def _of_layers(model: Model) -> dict[str, Any]:
    """Only where they are not the convolutions, as they were always before."""
    listed = tuple(model.layers)
    return {} if listed == model.convolutions else {"layers": listed}


def _of_scores(model: Model) -> dict[str, Any]:
    """What the predictions and features follow from beside the network; nothing where it gives logits."""
    output, feature = model.output, model.facts["feature"]
    found: dict[str, Any] = {} if feature is None else {"feature": feature}
    if not output.is_plain:
        found["scores"] = [output.meaning, list(output.path), output.count, output.raw_logits]
    return found


def _image_digest(source: ImageSource, item: Item) -> str:
    try:
        return hashlib.sha256(source.read(item.path)).hexdigest()
    except Unreachable:
        raise
    except (OSError, ValueError) as error:
        return UNREAD + unread_because(error)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
