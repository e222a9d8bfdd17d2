"""Keeping lists fresh: fetched, checked, compared, put in force, and taken back.

In: `categories/sources.yaml`, what is fetched. Out: lists in force, and the versions before.
Must never: let a list that has gone wrong at its source take the place of a good one.
"""
