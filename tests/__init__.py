"""One module of tests for each promise or part."""
