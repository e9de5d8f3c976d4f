"""The test suite. One folder for each room of the product; `servers` are the real programs that tests talk to."""
