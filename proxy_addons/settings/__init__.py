"""Settings: two strict YAML files in, frozen settings and the compiled policy out (see load.py)."""
