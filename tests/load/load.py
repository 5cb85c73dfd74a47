"""Puts the visitors on a server, and holds what they saw against what is computed without it."""

import asyncio
import contextlib
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import async_playwright

from featurestore.reader import Run, Store
from tests.load import client, visitor
from tests.load.asked import computed_picture
from tests.load.seen import Seen, digest
from tests.support.servers.dashboard import CHROMIUM, FLAGS, serving

WRONG_IN_LOG = re.compile(r"Traceback|ERROR|Exception|job failed")
INTERVAL = 1.0
"""Seconds between two looks at the server's memory."""


@dataclass(frozen=True)
class Load:
    browsers: int
    clients: int
    seconds: float


@dataclass(frozen=True)
class Memory:
    """seconds: since the start. bytes: resident, of the server's process."""

    seconds: float
    bytes: int


@dataclass(frozen=True)
class Outcome:
    """waits: seconds from an address to its finished result. compared, distinct: how many results, and how
    many different pictures among them. wrong: addresses whose picture is not the computed one."""

    memory: list[Memory]
    waits: list[float]
    walked: int
    compared: int
    distinct: int
    wrong: list[str]
    errors: list[str]

    @property
    def settled(self) -> tuple[float, float]:
        """Bytes: the median of the tenth of the time after its first third, and that of the last tenth."""
        end = self.memory[-1].seconds
        early = [each.bytes for each in self.memory if end / 3 <= each.seconds <= end * (1 / 3 + 0.1)]
        late = [each.bytes for each in self.memory if each.seconds >= 0.9 * end]
        return statistics.median(early), statistics.median(late)

    @property
    def growth(self) -> float:
        early, late = self.settled
        return late / early - 1


async def put_on(store: Path, load: Load, log: Path) -> Outcome:
    """log: the server's own, written here."""
    run = Store(store).open()
    memory: list[Memory] = []
    # All visitors come from one address.
    with serving(str(store), log, ("--jobs-per-minute", "0")) as served:
        watching = asyncio.create_task(_watch(served.pid, memory))
        seen = await _visit(served.address, run, store.name, load)
        watching.cancel()
    results = {url: shown for each in seen for url, shown in each.results.items()}
    wrong = [url for url, shown in results.items() if digest(computed_picture(run, store, url)) != shown]
    errors = [error for each in seen for error in each.errors]
    errors += [line for line in log.read_text(errors="replace").splitlines() if WRONG_IN_LOG.search(line)]
    waits = [wait for each in seen for wait in each.waits]
    walked, distinct = sum(each.walked for each in seen), len(set(results.values()))
    return Outcome(memory, waits, walked, len(results), distinct, wrong, errors)


async def _visit(server: str, run: Run, store: str, load: Load) -> list[Seen]:
    """Each visitor has a number of its own, clients after browsers."""
    end = time.monotonic() + load.seconds
    numbers = range(load.browsers, load.browsers + load.clients)
    visits = [client.visit(server, run, store, number, end) for number in numbers]
    async with contextlib.AsyncExitStack() as stack:
        if load.browsers:
            playwright = await stack.enter_async_context(async_playwright())
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            stack.push_async_callback(chromium.close)
            for number in range(load.browsers):
                context = await chromium.new_context(viewport={"width": 1400, "height": 1000})
                visits.append(visitor.visit(context, server, run, store, number, end))
        return await asyncio.gather(*visits)


async def _watch(pid: int, memory: list[Memory]) -> None:
    started = time.monotonic()
    while True:
        memory.append(Memory(time.monotonic() - started, _resident(pid)))
        await asyncio.sleep(INTERVAL)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
