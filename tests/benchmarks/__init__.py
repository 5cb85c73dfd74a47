"""Benchmarks against the peers: run by hand (`make bench`), never as tests."""
