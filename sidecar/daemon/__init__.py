"""The composition root: makes the parts from the settings, runs them, and ends them."""
