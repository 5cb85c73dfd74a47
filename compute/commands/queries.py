"""The questions that need no live method: first-layer filters, and two to a store."""

from compute.commands import filters, neighbors, patches


def add_parser(subparsers) -> None:
    for query in (filters, neighbors, patches):
        query.add_parser(subparsers)
