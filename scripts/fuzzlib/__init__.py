"""A fuzzer for what strangers write: addresses, lists, settings, requests, TLS hellos.

In: time, names of targets. Out: findings with the input that makes them; figures.
Must never: reach anything outside this process; be imported by the gateway.
"""
