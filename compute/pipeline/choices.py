"""What a person may ask of a store that is to be made: which stages, which seed, which neighbours."""

NEEDS = {
    "activations": (),
    "neighbors": ("activations",),
    "embeddings": ("activations",),
    "grid": ("activations", "embeddings"),
    "occlusion": ("activations",),
    "showcase": ("activations",),
}
"""The stages in their order, each with those that it builds on."""

ADDED = ("showcase",)
"""Stages that are computed only where they are named, as they take long: for each of a run's channels the
time of a hundred images. They add to a run what changes nothing else in it, so they are no part of its
fingerprint: a run that is there gains their tables."""

NEIGHBORS = ("auto", "exact", "approximate")
"""How neighbours are found: auto is exact where that is quick."""

MAX_SEED = 2**31 - 1
"""What every library takes."""


def check_seed(seed: int) -> None:
    """Raise ValueError for a seed that not every library takes."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed {seed} must lie between 0 and {MAX_SEED}")


def check_neighbors(method: str) -> None:
    """Raise ValueError for a way of finding neighbours that there isn't."""
    if method not in NEIGHBORS:
        raise ValueError(f"unknown way of finding neighbors {method!r}; choose from {', '.join(NEIGHBORS)}")


def check_showcase_layers(stages: tuple[str, ...] | None, layers: tuple[str, ...] | None) -> None:
    """Raise ValueError where layers of the stage showcase are named without the stage."""
    if layers is not None and "showcase" not in (stages or ()):
        raise ValueError(
            f"--showcase-layers {','.join(layers)} is of the stage showcase; give --stages showcase too"
        )


def complete_stages(stages: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the stages in order, with those that they need. ValueError names the choices.

    None is all but `ADDED`; some of these, named alone, are added to all others.
    """
    wanted = set(stages or ())
    if stages is None or (wanted and wanted.issubset(ADDED)):
        wanted.update(stage for stage in NEEDS if stage not in ADDED)
    if unknown := sorted(wanted - set(NEEDS)):
        raise ValueError(f"unknown stage {unknown[0]!r}; choose from {', '.join(NEEDS)}")
    for stage in tuple(wanted):
        wanted.update(NEEDS[stage])
    return tuple(stage for stage in NEEDS if stage in wanted | {"activations"})
