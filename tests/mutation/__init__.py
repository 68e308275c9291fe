"""Mutation testing of the pure modules, see README.md."""
