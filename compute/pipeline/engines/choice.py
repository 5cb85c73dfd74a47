"""From the options --engine, --workers and --address to an engine."""

from compute.pipeline.engines.engine import Engine, Local

ENGINES = ("local", "processes", "ray")


def open_engine(name: str = "local", workers: int | None = None, address: str | None = None) -> Engine:
    """workers: how many, for those that have any. address: of a running Ray cluster, "auto" or host:port.
    None is started here: Ray listens on all of a machine's interfaces and runs anybody's programs.

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
        from compute.pipeline.engines.processes import Processes

        return Processes(workers)
    if name == "ray":
        return _ray(workers, address)
    return Local()


def _ray(workers: int | None, address: str | None) -> Engine:
    if address is None:
        raise ValueError(
            "--engine ray needs --address, auto or host:port of a running cluster (`ray start --head`); on "
            "one machine take --engine processes"
        )
    try:
        from compute.pipeline.engines.ray_tasks import RayTasks
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ValueError(
            "--engine ray needs Ray on every node: python -m pip install -r requirements-ray.txt"
        ) from error
    return RayTasks(address, workers)
