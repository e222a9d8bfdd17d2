"""Which user the processes run as, and what even that user's processes may not do."""
