"""The portal: PAC file, certificate, health and metrics, in a process of its own (see app.py)."""
