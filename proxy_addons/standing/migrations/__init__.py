"""Alembic's scripts for the standing store; standing/migrate.py runs them."""
