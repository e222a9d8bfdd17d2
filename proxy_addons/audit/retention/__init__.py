"""Retention: what may be erased when, what is held, and what was erased (the privacy policy).

In: periods, legal holds, decisions, an inventory. Out: what is due now; certificates of disposal.
Must never: erase anything: somebody else does, and asks here before each piece.
"""
