"""Who may look at what of the access log, for how long, approved by whom (docs/authority.md)."""
