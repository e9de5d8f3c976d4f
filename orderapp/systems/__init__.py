"""The external systems: one file each, all of it. Beside them what they share."""
