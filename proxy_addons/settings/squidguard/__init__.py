"""squidGuard.conf, read and translated to our policy (`watchhouse import-squidguard`).

In: a configuration of squidGuard. Out: policy.yaml, identity.addresses, people, which lists to
take; and what could not be translated.
Must never: leave anything out without saying so.
"""
