"""The questions that need no live method: first-layer filters, and those to a store."""

from compute.commands import (
    compare,
    confusion,
    filters,
    grid,
    map,
    mistakes,
    neighbors,
    occlusion_map,
    patches,
    table,
)

QUERIES = (filters, map, grid, neighbors, patches, occlusion_map, confusion, mistakes, compare, table)


def add_parser(subparsers) -> None:
    for query in QUERIES:
        query.add_parser(subparsers)
