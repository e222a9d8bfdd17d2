"""What a request costs in CPU time through Watchhouse and its peers, on the same work in one run.

Entry: `scripts/bench`, which runs this package with `python -m benchlib`. docs/performance.md says
what is measured, why so, and how to repeat it.
"""
