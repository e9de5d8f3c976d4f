"""The examples: each is a plugin in one file, run with real calls to its stand-in."""
