"""Sealing: segments of the access log become leaves of a signed, append-only Merkle log."""
