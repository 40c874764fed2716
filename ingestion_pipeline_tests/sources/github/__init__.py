"""Tests of the GitHub code host and of the server that plays GitHub."""
