"""Links with proofs, and downloads."""
