"""Somebody's own pages on their browsing: time used, breaks, what holds now, the statement."""
