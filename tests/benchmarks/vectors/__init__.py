"""Vectors of a store: the cache that holds them, one query, the graph of all neighbours."""
