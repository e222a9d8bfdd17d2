"""Reviews of refused sites: the queue of information security, and asking for one."""
