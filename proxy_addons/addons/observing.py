"""The metrics of a finished transaction.

In: a transaction that has just been finished. Out: counts. Must never: raise into a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.gate import metrics

if TYPE_CHECKING:
    from proxy_addons.accesslog import Transaction


def observe(transaction: Transaction) -> None:
    """Count a finished transaction in the metrics; one without a record is no request's."""
    if not transaction.id:
        return
    metrics.observe((transaction.duration_ms or 0.0) / 1000)
    metrics.count_bytes(transaction.bytes_up or 0, transaction.bytes_down or 0)
