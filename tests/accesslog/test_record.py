"""The table of fields, and the documentation that must keep step with it."""

from __future__ import annotations

import re
from pathlib import Path

from proxy_addons.accesslog.record import (
    CALLER_NAMES,
    DUCKDB_TYPES,
    FIELDS,
    LIST_LIMIT,
    NAMES,
    STAMPED,
    TEXT_LIMIT,
    TRANSACTION_NAMES,
    URL_LIMIT,
    empty_record,
)
from proxy_addons.accesslog.reference import normalise
from proxy_addons.accesslog.transaction import Transaction
from proxy_addons.accesslog.writer import Limits

DOCUMENT = (Path(__file__).parents[2] / "docs" / "access-log.md").read_text(encoding="utf-8")


def documented() -> dict[str, list[str]]:
    """Rows of the table of fields: name -> the other cells."""
    section = DOCUMENT.partition("\n## Fields\n")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def test_every_field_is_documented_in_the_order_of_the_table() -> None:
    assert list(documented()) == list(NAMES)


def test_each_documented_type_is_the_true_one() -> None:
    for field in FIELDS:
        kind, meaning, example = documented()[field.name]
        assert kind == field.spec, field.name
        assert len(meaning) > len(field.name), field.name
        assert example, field.name


def test_duckdb_columns_in_the_documentation_are_those_of_the_table() -> None:
    columns = re.findall(r"^ {4,}\"?(\w+)\"?: '([A-Z\[\]]+)'", DOCUMENT, re.MULTILINE)
    assert columns == [(field.name, DUCKDB_TYPES[field.type]) for field in FIELDS]


def test_names_are_unique_and_every_name_is_either_stamped_or_an_attribute() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(STAMPED) | set(TRANSACTION_NAMES) == set(NAMES)
    assert set(TRANSACTION_NAMES) - CALLER_NAMES == {"id", "start", "duration_ms"}


def test_transaction_and_empty_record_follow_the_table() -> None:
    transaction = Transaction("7K3M-2Q9X-1C4V", "2026-11-21T20:15:00.250000Z", 0.0, lambda _: None)
    assert list(transaction.record("open")) == list(NAMES)
    assert list(empty_record()) == list(NAMES)


def test_only_fields_that_may_be_null_are_null_in_an_empty_transaction() -> None:
    transaction = Transaction("7K3M-2Q9X-1C4V", "2026-11-21T20:15:00.250000Z", 0.0, lambda _: None)
    record = transaction.record("open")
    null = {name for name, value in record.items() if value is None} - {"worker", "seq"}
    assert null == {field.name for field in FIELDS if field.nullable}


def test_every_reference_number_in_the_documentation_is_one() -> None:
    numbers = set(re.findall(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", DOCUMENT))
    assert numbers
    assert {normalise(number) for number in numbers} == numbers


def test_limits_in_the_documentation_are_the_true_ones() -> None:
    limits = f"beyond {TEXT_LIMIT:,} characters, a URL beyond {URL_LIMIT:,}"
    assert f"{limits}, or a list beyond {LIST_LIMIT} members" in DOCUMENT
    assert f"has lasted more than {Limits().open_after:.0f} s" in DOCUMENT
    assert f"up to {Limits().memory_limit >> 20} MiB a worker" in DOCUMENT
    assert f"after {Limits().lag_limit:.0f} s traffic is refused" in DOCUMENT
    assert f"at least every {Limits().sync_interval * 1000:.0f} ms" in DOCUMENT
    assert f"by the end of a stop ({Limits().close_timeout:.0f} s)" in DOCUMENT
    assert f"every {Limits().retry_interval} s" in DOCUMENT
