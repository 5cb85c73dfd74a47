"""From the options --engine, --workers and --address to an engine."""

from compute.engines.engine import Engine

ENGINES = ("local", "processes", "ray")


def open_engine(name: str = "local", workers: int | None = None, address: str | None = None) -> Engine:
    """workers: how many, for those that have any. address: of a running Ray cluster, "auto" or host:port.

    Raises ValueError for options that don't go together, or where Ray isn't installed."""
    if name not in ENGINES:
        raise ValueError(f"unknown engine {name!r}; choose from {', '.join(ENGINES)}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    if workers is not None and name == "local":
        raise ValueError("--workers is for --engine processes and ray; this process computes alone")
    if address is not None and name != "ray":
        raise ValueError(f"--address is for --engine ray, not for {name}")
    if name == "processes":
        from compute.engines.processes import Processes

        return Processes(workers)
    if name == "ray":
        from compute.engines.ray_tasks import RayTasks

        return RayTasks(workers, address)
    from compute.engines.local import Local

    return Local()
