"""An access log of a made-up force, for measuring and for trying things out."""
