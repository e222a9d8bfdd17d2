"""The policy: who, what and when in; a decision with its rule, clause and reason out.

Standard library only, no I/O, no clock, no logging. `decide.py` is the one way to a decision.
"""
