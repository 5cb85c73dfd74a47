"""A live method on a page."""
