"""The crash sweep: a real process dies once at every boundary of an order, and all ledgers must agree afterwards."""
