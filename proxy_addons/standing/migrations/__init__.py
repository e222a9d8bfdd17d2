"""Alembic's scripts for the standing store; standing/upgrade.py runs them."""
