"""Stages: one file per table family, each a pure function from images or features to tables."""
