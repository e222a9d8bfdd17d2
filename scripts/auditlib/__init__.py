"""Is anything that the lock files name known to be vulnerable? See scripts/audit."""
