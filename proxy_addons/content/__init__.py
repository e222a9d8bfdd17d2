"""Content: the bytes of a message in; what they truly are, and what is in them, out.

Findings are facts for the policy (policy/findings.py). Whatever cannot be looked at is a finding
too, never silence.
"""
