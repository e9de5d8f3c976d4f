"""Plugins to learn from and to copy: each is one file."""
