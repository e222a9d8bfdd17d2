"""The verifiers that stand alone: each is one file for others, which needs nothing of ours.

In: nothing. Out: nothing.
Must never: import anything but Python's standard library, but for shipped.py, which is ours alone.

`common` and `pack` make the verifier of evidence packs, `common` and `folder` that of a folder of
seals; `shipped` puts the two parts together.
"""
