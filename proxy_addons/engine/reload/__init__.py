"""Other settings, taken into use by all workers together, or by none."""
