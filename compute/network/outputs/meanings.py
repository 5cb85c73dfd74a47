"""What class scores may mean."""

LOGITS, PROBABILITIES, LOG_PROBABILITIES, SIGMOID = "logits", "probabilities", "log-probabilities", "sigmoid"
NONE = "none"
MEANINGS = (LOGITS, PROBABILITIES, LOG_PROBABILITIES, SIGMOID, NONE)
"""Of the scores: logits of one class of several; their softmax; its logarithm; independent labels, each with
a sigmoid; no class scores at all."""

ABOVE = 0.5
"""An independent label is given to an image where its probability is larger."""
