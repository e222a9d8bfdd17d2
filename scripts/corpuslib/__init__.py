"""The whole corpus of file types: fetched, built, looked at, counted.

In: packages of the registries, programs of this machine. Out: a table.
Must never: be imported by the gateway; run anything that it fetched.
"""
