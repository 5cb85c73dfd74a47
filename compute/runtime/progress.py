"""How far the work is: one rewritten line on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

TERMINAL_SECONDS, LOG_SECONDS = 0.2, 5.0


class Progress:
    """Reports the stages of a run, one after the other, on `stream`; keeps the seconds that each took.

    patience: seconds that a stage takes before anything is said of it.
    file: has the latest line for others to read, where there is one.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 0.0,
    ):
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.patience = patience
        self.seconds: dict[str, float] = {}
        self.file: Path | None = None

    @contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator["StageProgress"]:
        """Within, call `advance`. A stage that is entered twice adds up its seconds."""
        stage = StageProgress(self, name, total, unit)
        stage.begin()
        try:
            yield stage
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + stage.elapsed()
            stage.close()

    @contextmanager
    def kept_in(self, file: Path) -> Iterator[None]:
        """Within, a file of this name has the latest line; then it goes."""
        self.file = file
        try:
            yield
        finally:
            self.file = None
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def note(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class StageProgress:
    """Counts what is done of `total`. What was there already counts as done, but not in the rate."""

    def __init__(self, progress: Progress, name: str, total: int, unit: str):
        self.progress, self.name, self.total, self.unit = progress, name, total, unit
        self.done = self.found = 0
        self.started = progress.clock()
        self.is_terminal = rewrites_lines(progress.stream)
        self.reported = self.started
        self.said = False

    def begin(self) -> None:
        """The stage's first line: its first step may take minutes."""
        if not self.progress.patience:
            self._write(self.line())

    def advance(self, number: int = 1) -> None:
        self.done += number
        now = self.progress.clock()
        if now - self.started < self.progress.patience:
            return
        if not self.said or now - self.reported >= (TERMINAL_SECONDS if self.is_terminal else LOG_SECONDS):
            self.reported = now
            self._write(self.line())

    def skip(self, number: int) -> None:
        """`number` were computed by an earlier, interrupted run."""
        self.done += number
        self.found += number

    def elapsed(self) -> float:
        return self.progress.clock() - self.started

    def line(self) -> str:
        """Such as `occlusion  320/1700 images  23.1/s  1:00 left`."""
        parts = [f"{self.name:<12} {self.done:>{len(str(self.total))}}/{self.total} {self.unit}"]
        new, seconds = self.done - self.found, self.elapsed()
        if new and seconds > 0:
            rate = new / seconds
            parts += [pace(rate), f"{duration((self.total - self.done) / rate)} left"]
        return "  ".join(parts)

    def close(self) -> None:
        """The stage's last line: what was done and how long it took."""
        parts = [f"{self.name:<12} {self.done}/{self.total} {self.unit}", f"{duration(self.elapsed())} taken"]
        if self.found:
            parts.append(f"{self.found} were there")
        if self.progress.patience and not self.said:
            return
        self._write("  ".join(parts))
        if self.is_terminal:
            self.progress.stream.write("\n")

    def _write(self, line: str) -> None:
        self.said = True
        self.progress.stream.write(f"\r\x1b[2K{line}" if self.is_terminal else f"{line}\n")
        self.progress.stream.flush()
        if self.progress.file is not None:
            # The work goes on without it where the disk is full.
            with suppress(OSError):
                self.progress.file.write_text(line)


def rewrites_lines(stream: TextIO) -> bool:
    """Return whether a line can be written over: on a terminal, and below a cell of a notebook."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel.")


def pace(rate: float) -> str:
    """Say how fast it goes, such as 120/s, 3.4/s, or, of what takes long, 24 s each."""
    if rate < 0.2:
        return f"{1 / rate:.0f} s each"
    return f"{rate:.{0 if rate >= 100 else 1}f}/s"


def duration(seconds: float) -> str:
    """Such as 0:07, 12:30 or 3:05:00."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
