"""Who may look at the access log, at what of it, and what they take away (ADR 28)."""
