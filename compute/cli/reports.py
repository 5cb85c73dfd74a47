"""The questions that need no live method: first-layer filters, and those to a store."""

from compute.cli import (
    classes,
    compare,
    confusion,
    filters,
    grid,
    map,
    mistakes,
    neighbors,
    occlusion_map,
    outvoted,
    patches,
    strongest,
    table,
)

OF_IMAGES = (filters, map, grid, neighbors, patches, strongest, occlusion_map)
OF_CLASSES = (confusion, mistakes, outvoted, classes)
QUERIES = (*OF_IMAGES, *OF_CLASSES, compare, table)


def add_parser(subparsers) -> None:
    for query in QUERIES:
        query.add_parser(subparsers)
