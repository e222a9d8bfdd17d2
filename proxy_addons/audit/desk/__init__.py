"""The desk: the one process that reads records for people, and who asks it (ADR 28)."""
