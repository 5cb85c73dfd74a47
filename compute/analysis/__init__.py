"""Statistics on numpy arrays and Arrow tables; nothing here knows torch or a store."""
