"""The external systems, one file each, and the modules that they share."""
