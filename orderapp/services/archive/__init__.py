"""Moves orders that ended long ago out of the database into a file, and keeps their numbers and keys.

Start with `archive`; `eligibility` decides which orders may be archived. `erasing` takes customers out of ended orders.
"""
