"""The job that finds every channel's strongest unit in one image, for the page and its download."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from compute.reports.strongest_channels import Peaks, peaks_of
from dashboard.data import photographs, runs
from dashboard.jobs.queue import Work
from featurestore.reader import Run


@dataclass(frozen=True)
class AllPeaks:
    """The one step of the job. layers: by name."""

    index: int = 1
    total: int = 1
    layers: Mapping[str, Peaks] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """image_id and upload: as in `ChosenImage`."""

    key: str
    title: str
    work: Work


def search(run: Run, image_id: int | None, upload: str, name: str, sha256: str) -> Search:
    """ValueError where the network may not be used, or the image is gone."""
    model, photograph = runs.model(run), photographs.photograph(run, image_id or 0, upload)

    def steps() -> Iterator[AllPeaks]:
        yield AllPeaks(layers=peaks_of(run, model, photograph))

    text = f"strongest channels {run.fingerprint} {model.weights_hash} {sha256}"
    key = hashlib.sha256(text.encode()).hexdigest()
    return Search(key, f"Channels that answer to {name}", steps)
