"""The self-test: the table of evasions, tried on a running gateway from outside, over the wire.

In: the table, a proxy's address. Out: what came of each row, and whether it is a hole.
Must never: use anything of the gateway's own process; what it sees is what an attacker would see.
"""
