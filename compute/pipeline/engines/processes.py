"""Shards in worker processes of this machine. Each loads the model once and has threads of its own."""

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from compute.pipeline.engines.child import begin, packed
from compute.pipeline.engines.dispatch import Advanced, Dispatcher, Done, Lost, Ready, Report
from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import compute_shard
from compute.pipeline.work_order import WorkOrder
from compute.runtime.threads import available_cores

END_SECONDS = 5
"""A process that is told to end is killed after so long."""


class Processes(AbstractContextManager):
    """The engine of worker processes. workers: how many; as many as cores or GPUs allow without it."""

    def __init__(self, workers: int | None = None):
        self.workers = workers
        self._pool: _Pool | None = None

    def compute(
        self, run: OpenRun, stage: str, shards: Sequence[int], advance: Callable[[int], None]
    ) -> None:
        if self._pool is None:
            self._pool = _Pool(WorkOrder.of(run))
            self._dispatcher = Dispatcher(self._pool)
        most = self.workers or default_workers(run.job.model.device, run.job.parameters.threads)
        self._dispatcher.compute(stage, shards, most, advance)

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.end()
            self._pool = None


def default_workers(device: torch.device, threads: int) -> int:
    """One a GPU; on a CPU as many as have `threads` cores each."""
    if device.type == "cuda":
        return torch.cuda.device_count()
    return max(1, available_cores() // threads) if device.type == "cpu" else 1


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    connection: Connection


class _Pool:
    """Processes by number, each at the other end of a pipe; `Workers` of the dispatcher."""

    def __init__(self, order: WorkOrder):
        self._order = order
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}

    def start(self, worker: int) -> None:
        ours, theirs = self._context.Pipe()
        call = packed(_work, self._order, _device(self._order.device, worker))
        process = self._context.Process(target=begin, args=(theirs, call), daemon=True)
        process.start()
        theirs.close()
        self._workers[worker] = _Worker(process, ours)

    def give(self, worker: int, stage: str, shard: int) -> None:
        with suppress(BrokenPipeError):  # it just died: its end of the pipe says so to `reports`
            self._workers[worker].connection.send((stage, shard))

    def reports(self) -> Iterator[Report]:
        numbers: dict[object, int] = {each.connection: number for number, each in self._workers.items()}
        for connection in wait([each.connection for each in self._workers.values()]):
            yield self._report(numbers[connection])

    def end(self) -> None:
        """All of them, now."""
        for each in self._workers.values():
            each.process.terminate()
        for each in self._workers.values():
            each.process.join(END_SECONDS)
            each.process.kill()
            each.process.join()
            each.connection.close()

    def _report(self, worker: int) -> Report:
        try:
            kind, value = self._workers[worker].connection.recv()
        except (EOFError, ConnectionResetError):
            return Lost(worker, self._bury(worker))
        if kind == "failed":
            raise value
        if kind == "advanced":
            return Advanced(worker, value)
        return Ready(worker) if kind == "ready" else Done(worker)

    def _bury(self, worker: int) -> str:
        """How it died."""
        dead = self._workers.pop(worker)
        dead.connection.close()
        dead.process.join()
        code = dead.process.exitcode or 0
        return f"killed by signal {-code}" if code < 0 else f"with exit code {code}"


def _device(kind: str, worker: int) -> str:
    """The GPUs in turn."""
    return f"cuda:{worker % torch.cuda.device_count()}" if kind == "cuda" else kind


def _work(connection: Connection, order: WorkOrder, device: str) -> None:
    """A worker's life: opens the job, then computes what it is given until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for who started it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and removes the file that it is writing
    try:
        run = order.open(device)
        connection.send(("ready", None))
        while True:
            stage, shard = connection.recv()
            compute_shard(run, stage, shard, lambda images: connection.send(("advanced", images)))
            connection.send(("done", None))
    except (EOFError, BrokenPipeError):
        return
    except (ValueError, OSError) as error:
        connection.send(("failed", error))
    except Exception as error:
        connection.send(("failed", RuntimeError("".join(traceback.format_exception(error)))))
