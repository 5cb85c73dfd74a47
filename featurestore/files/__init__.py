"""Files of a store: whole or absent, locked, checked, and kept on this machine."""
