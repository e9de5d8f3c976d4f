"""Rows and transactions: what every other room stands on.

Begin with `transactions` (`with writing() as session:`). States change in `transitions` only, rows that may be there
already are written by `upserts`, what staff did by `audit`.
"""
