"""The engine: mitmproxy's layers, driven by our own connection driver, workers and supervisor.

All that touches mitmproxy's internals lives here; tests/engine fails loudly when a new version
moves them.
"""
