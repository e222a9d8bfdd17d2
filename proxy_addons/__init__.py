"""Watchhouse: a forward web proxy with URL categorisation for a police force.

The rooms of this package, and which may import which, are in docs/adr/0001-rooms.md.
"""

__version__ = "0.1.0"
