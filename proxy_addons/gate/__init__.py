"""The gate: the facts of one decision point in, a verdict and a log record out."""
