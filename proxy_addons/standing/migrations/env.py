"""What alembic runs: the scripts, on the connection and in the transaction that upgrade.py holds.

In: `config.attributes["connection"]`. Out: an upgraded store.
Must never: open a connection of its own; configure logging.
"""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # SQLite has it too, once the driver begins nothing by itself
    transaction_per_migration=False,
)
context.run_migrations()
