"""What visitors take with them: links with proofs, short links, downloads."""
