"""An agent's way in: a store's tables, reports and methods as tools of a Model Context Protocol server."""
