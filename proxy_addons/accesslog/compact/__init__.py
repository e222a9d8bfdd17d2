"""Parquet of what was sealed: an index to search in, and never the evidence itself (ADR 30)."""
