"""Feeds: the access log, delivered to others as it is written. See docs/feeds.md."""
