"""Alerts: records counted by the rules of the force, until somebody has to be told."""
