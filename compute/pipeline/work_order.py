"""A job as it is sent to another process, which opens model, images and run again from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute.images.sources import Item, open_source
from compute.models import zoo
from compute.pipeline.job import Job, Parameters
from compute.pipeline.open_run import OpenRun


@dataclass(frozen=True)
class WorkOrder:
    """All that a process needs to compute shards of a job.

    fingerprint: of the run
    spec: of the model (`zoo.ModelSpec`)
    device: kind of device, such as "cuda"
    classes: the model's
    images: the source's spec
    items, digests, parameters, columns, readers, showcase: as in `Job`
    store: its folder, or address
    Paths are whole; whoever opens the order sees the same files under them.
    """

    fingerprint: str
    spec: Mapping[str, Any]
    device: str
    classes: tuple[str, ...]
    images: str
    items: tuple[Item, ...]
    digests: tuple[str, ...]
    parameters: Parameters
    columns: tuple[str, ...]
    readers: int
    showcase: tuple[str, ...]
    store: str

    @classmethod
    def of(cls, run: OpenRun) -> "WorkOrder":
        job = run.job
        return cls(
            job.fingerprint,
            dict(job.spec),
            job.model.device.type,
            job.model.classes,
            job.source.spec,
            job.items,
            job.digests,
            job.parameters,
            job.columns,
            job.readers,
            job.showcase,
            run.writer.address,
        )

    def open(self, device: str | None = None) -> OpenRun:
        """Open the run, to be worked on in this process.

        device: such as "cuda:1"; without one, the job's kind of device
        ValueError where this process would compute another run: other versions, weights or device.
        """
        model = zoo.load(zoo.ModelSpec.from_dict(dict(self.spec)), device or self.device, self.classes)
        source = open_source(self.images)
        source.prepare()  # once, not in each of the threads that read images
        job = Job(
            model,
            self.spec,
            source,
            self.items,
            self.digests,
            self.parameters,
            self.columns,
            self.readers,
            self.showcase,
        )
        if job.fingerprint != self.fingerprint:
            raise ValueError(
                f"here the job is run {job.fingerprint}, not {self.fingerprint}: Python, the libraries' "
                "versions, the model's file or its weights are not those of the process that began it"
            )
        return OpenRun(job, self.store)
