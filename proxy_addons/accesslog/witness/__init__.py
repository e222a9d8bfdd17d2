"""The witness: runs elsewhere, keeps the last checkpoint of each log, and signs what follows it."""
