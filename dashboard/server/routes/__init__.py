"""HTTP routes beside the app: what they answer, in which threads, and which answers are kept in memory."""
