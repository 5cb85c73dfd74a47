"""Some of a source's images, drawn by a seed."""

from collections.abc import Iterable

import numpy as np

from compute.images.sources.items import Item, by_path


def sample(items: Iterable[Item], limit: int | None, seed: int) -> tuple[Item, ...]:
    """At most `limit` items, of each class its share (largest remainders first), drawn by `seed`; sorted by
    path.
    """
    items = by_path(items)
    if limit is None or limit >= len(items):
        return items
    if limit < 1:
        raise ValueError(f"limit is {limit}; it must be at least 1")
    classes: dict[str, list[Item]] = {}
    for item in items:
        classes.setdefault(item.label or "", []).append(item)
    rng = np.random.default_rng(seed)
    chosen = []
    for members, number in zip(
        classes.values(), _shares([len(m) for m in classes.values()], limit), strict=True
    ):
        chosen += [members[index] for index in rng.permutation(len(members))[:number]]
    return by_path(chosen)


def _shares(sizes: list[int], total: int) -> list[int]:
    """`total` split in proportion to `sizes`, in whole numbers by the largest remainder."""
    exact = np.array(sizes) * (total / sum(sizes))
    shares = np.floor(exact).astype(int)
    largest_remainders = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[largest_remainders] += 1
    return shares.tolist()
