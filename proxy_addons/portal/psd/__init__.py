"""The console: searching the access log under authority, what comes of it, who looked (ADR 28)."""
