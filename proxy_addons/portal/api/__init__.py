"""The API: what Professional Standards' own programs ask, by tokens (docs/api.md, ADR 36)."""
