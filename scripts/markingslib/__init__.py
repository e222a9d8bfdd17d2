"""The corpus of protective markings (scripts/markings).

In: LibreOffice, tests/cases, the documents of this machine. Out: figures.
Must never: be needed by the gateway.
"""
