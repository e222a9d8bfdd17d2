"""Records in the formats that report tools and SIEMs of other proxies read; one format a file.

In: a record. Out: a line of text, or None for a record that the format has no room for.
Must never: break a line, or let a value look like another field; call somebody the user who only
claimed to be.
"""
