"""Shards as tasks of a Ray cluster. The tasks are an actor's, one actor a GPU or some cores, because an actor
loads the model once and keeps its GPU, while Ray ends the process of a plain task with a GPU after each."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from compute.pipeline.engines.dispatch import Advanced, Dispatcher, Done, Lost, Ready, Report
from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import compute_shard, images_of
from compute.pipeline.work_order import WorkOrder

CODE = Path(__file__).resolve().parents[3]
"""Where the packages lie, under the same path on every node."""

END_SECONDS = 10
"""For idle workers to let go of the run."""
KNOCK_SECONDS = 10


class RayTasks(AbstractContextManager):
    """The engine of a running Ray cluster. address: "auto" or host:port. workers: how many; as many as the
    cluster's GPUs or cores allow without it."""

    def __init__(self, address: str, workers: int | None = None):
        self.address, self.workers = address, workers
        self._pool: _Pool | None = None

    def compute(
        self, run: OpenRun, stage: str, shards: Sequence[int], advance: Callable[[int], None]
    ) -> None:
        if self._pool is None:
            self._pool = _Pool(WorkOrder.of(run), self.address)
            self._dispatcher = Dispatcher(self._pool)
        most = self.workers or self._pool.room()
        self._dispatcher.compute(stage, shards, most, advance)

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.end()
            self._pool = None


class _Worker:
    """An actor: the run open in a process somewhere in the cluster."""

    def open(self, order: WorkOrder) -> None:
        self._run = order.open()

    def compute(self, stage: str, shard: int) -> int:
        """The number of its images."""
        compute_shard(self._run, stage, shard, lambda images: None)
        return images_of(self._run, stage, [shard])

    def close(self) -> None:
        """Lets go of the run's folder."""
        del self._run


class _Pool:
    """Actors by number, each with a GPU or `threads` cores to itself; `Workers` of the dispatcher."""

    def __init__(self, order: WorkOrder, address: str):
        _connect(address)
        self._order = ray.put(order)
        self._cpus, self._gpus = order.parameters.threads, int(order.device == "cuda")
        self._actor = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_restarts=0)(_Worker)
        self._actors: dict[int, ray.actor.ActorHandle] = {}
        self._tasks: dict[ray.ObjectRef, tuple[int, type[Ready | Done]]] = {}

    def room(self) -> int:
        """How many workers the cluster has room for; ValueError for none."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(int(self._share(node)) for node in nodes)
        if not room:
            has = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes)
            raise ValueError(
                f"no node has room for a worker of {self._cpus} CPUs and {self._gpus} GPUs; they have {has}"
            )
        return room

    def start(self, worker: int) -> None:
        self._actors[worker] = self._actor.remote()
        self._tasks[self._actors[worker].open.remote(self._order)] = worker, Ready

    def give(self, worker: int, stage: str, shard: int) -> None:
        self._tasks[self._actors[worker].compute.remote(stage, shard)] = worker, Done

    def reports(self) -> Iterator[Report]:
        for task in ray.wait(list(self._tasks))[0]:
            yield from self._reports(task, *self._tasks.pop(task))

    def end(self) -> None:
        """All of them, now."""
        busy = {worker for worker, _ in self._tasks.values()}
        idle = [actor for worker, actor in self._actors.items() if worker not in busy]
        with suppress(RayError, GetTimeoutError):
            ray.get([actor.close.remote() for actor in idle], timeout=END_SECONDS)
        for actor in self._actors.values():
            ray.kill(actor)
        ray.shutdown()

    def _reports(self, task: ray.ObjectRef, worker: int, kind: type[Ready | Done]) -> Iterator[Report]:
        try:
            images = ray.get(task)
        except RayTaskError as error:
            if isinstance(error.cause, ValueError | OSError):
                raise error.cause from None
            raise RuntimeError(str(error)) from None
        except RayActorError:
            yield Lost(worker, "with its process or its node")
        else:
            if images is not None:
                yield Advanced(worker, images)
            yield kind(worker)

    def _share(self, node: dict[str, float]) -> float:
        """How many workers a node with these resources has room for."""
        cpus = node.get("CPU", 0) // self._cpus
        return min(cpus, node.get("GPU", 0)) if self._gpus else cpus


def _connect(address: str) -> None:
    """To the cluster; ValueError where there is none."""
    path = os.pathsep.join(filter(None, [str(CODE), os.environ.get("PYTHONPATH")]))
    try:
        _knock(address)
        ray.init(
            address,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (OSError, RuntimeError) as error:
        raise ValueError(f"no Ray cluster answers at {address!r}: {error}") from error


def _knock(address: str) -> None:
    """OSError at once where nobody listens at host:port: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
