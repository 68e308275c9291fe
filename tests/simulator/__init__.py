"""The simulator is what it imitates: tests of its parts, of the whole, and beside a real server."""
