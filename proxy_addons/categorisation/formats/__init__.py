"""Formats of lists: each is read into the layout that the compiler reads.

In: files as somebody publishes them. Out: `<category>/{domains,hosts,urls,expressions}` and their
exceptions, and what could not be said in these, counted.
Must never: decide anything, or widen an entry: what has no equal here is counted and shown.
"""

from proxy_addons.categorisation.formats.base import Format

__all__ = ["Format"]
