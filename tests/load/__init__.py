"""Many visitors at once on one server, each with live jobs of its own: `make load`."""
