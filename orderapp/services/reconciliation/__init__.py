"""Reconciliation: compares our effect ledger with what the systems say, effect by effect.

Start with `reconcile`. `expected` reads our rows, `compare` asks the systems, `mismatches` keeps the differences. Staff
correct them with the back office's `corrections`.
"""
