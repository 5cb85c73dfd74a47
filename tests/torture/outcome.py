"""What a part of the torture found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """tried: how often. failures: one sentence each. skipped: why nothing could be tried here, or empty."""

    what: str
    tried: int
    failures: tuple[str, ...]
    detail: str = ""
    skipped: str = ""

    def __str__(self):
        if self.skipped:
            return f"{self.what}: skipped, {self.skipped}"
        said = "\n".join(f"  {failure}" for failure in self.failures[:20])
        counts = f"{self.tried:,} times, {len(self.failures)} failures"
        return f"{self.what}: {counts}. {self.detail}\n{said}".rstrip()
