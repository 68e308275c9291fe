"""What follows from what the probes saw: facts in, findings with a remedy out. Pure."""
