"""Tables that rows can only be added to, on both engines.

In: a table's name, within a migration. Out: triggers that refuse any other change.
Must never: be changed once a form that uses it is released: it is part of that form.
"""

from __future__ import annotations

from alembic import op


def append_only(table: str) -> None:
    """Let rows be added, and neither changed nor taken away (Inf/27 2.13.1: tracked)."""
    said = f"{table} is append-only: what was recorded stays"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{said}'; END $$"
        )
        for name, when in (("kept", "UPDATE OR DELETE"), ("not_emptied", "TRUNCATE")):
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
            )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
