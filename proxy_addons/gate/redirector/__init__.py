"""Deciding for Squid: the helper behind `url_rewrite_program`, in squidGuard's place.

In: lines as Squid writes them to its helpers. Out: a line for each.
Must never: let pass what it could not read or decide. squidGuard does ("emergency mode").
"""
