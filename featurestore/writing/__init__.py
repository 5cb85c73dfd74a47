"""Writing a run: its tables shard by shard, and the commit."""
