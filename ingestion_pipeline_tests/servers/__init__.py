"""Loopback servers that play the outside world for the tests."""
