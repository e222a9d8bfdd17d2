"""squidGuard and `watchhouse decide`, asked the same (scripts/agree).

In: lists in squidGuard layout. Out: in how many lines both agree, and the others by class.
Must never: leave a difference out because it is ours to like.
"""
