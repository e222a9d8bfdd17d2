"""A transaction finishes once, whatever is done to it."""

from __future__ import annotations

from proxy_addons.accesslog.transaction import Transaction


def begun() -> tuple[Transaction, list[Transaction]]:
    finished: list[Transaction] = []
    return Transaction("7K3M-2Q9X-1C4V", "2026-11-21T20:15:00Z", 0.0, finished.append), finished


def test_only_the_first_finish_counts() -> None:
    transaction, finished = begun()
    transaction.finish(status=200)
    transaction.finish(status=500)
    assert finished == [transaction]
    assert (transaction.status, transaction.finished) == (200, True)


def test_fields_set_before_and_at_the_finish_are_in_the_record() -> None:
    transaction, finished = begun()
    transaction.person = "AB1234"
    transaction.set(method="GET")
    transaction.finish(status=200)
    record = finished[0].record("transaction")
    assert (record["person"], record["method"], record["status"]) == ("AB1234", "GET", 200)


def test_its_own_number_and_times_cannot_be_set_from_outside() -> None:
    transaction, _ = begun()
    transaction.finish(id="forged", start="forged", duration_ms=1.0, seq=1)
    assert transaction.id == "7K3M-2Q9X-1C4V"
    assert transaction.start == "2026-11-21T20:15:00Z"
    assert transaction.duration_ms is None
    assert transaction.error is not None
    assert "'seq'" in transaction.error


def test_its_repr_shows_nothing_but_the_number() -> None:
    transaction, _ = begun()
    transaction.url = "http://user:secret@example.com/"
    assert repr(transaction) == "<Transaction 7K3M-2Q9X-1C4V>"
