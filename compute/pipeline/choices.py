"""What a person may ask of a store that is to be made: which stages, which seed, which neighbours."""

NEEDS = {
    "activations": (),
    "neighbors": ("activations",),
    "embeddings": ("activations",),
    "grid": ("activations", "embeddings"),
    "occlusion": ("activations",),
}
"""The stages in their order, each with those that it builds on."""

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


def complete_stages(stages: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the stages in order, with those that they need; None is all. ValueError names the choices."""
    wanted = set(NEEDS) if stages is None else set(stages)
    if unknown := sorted(wanted - set(NEEDS)):
        raise ValueError(f"unknown stage {unknown[0]!r}; choose from {', '.join(NEEDS)}")
    for stage in tuple(wanted):
        wanted.update(NEEDS[stage])
    return tuple(stage for stage in NEEDS if stage in wanted | {"activations"})
