"""The keeper: a process of its own that seals the log, has it vouched for, and keeps it small."""
