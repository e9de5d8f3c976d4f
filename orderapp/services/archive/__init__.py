"""Moves orders that ended long ago out of the database into a file, and keeps what must never be forgotten.

Begin with `archive`; `eligibility` decides which orders may leave.
"""
