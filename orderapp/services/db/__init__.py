"""Rows and transactions: the base of all other services.

Start with `transactions` (`with writing() as session:`). Only `transitions` changes states; `upserts` writes rows that
may already exist; `audit` records the acts of staff.
"""
