"""Identity: a connection in, a `Person` and how that person is known out.

For now by client address only (addresses.py); the seam for more ways is this room.
"""
