"""Look at the surroundings and judge nothing: the API server, DNS, the volumes. Everything in here does I/O."""
