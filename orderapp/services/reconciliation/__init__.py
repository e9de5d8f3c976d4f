"""Compares what our rows say with what the systems say, effect by effect.

Begin with `reconcile`. `expected` is what our rows say, `compare` asks the systems, `mismatches` keeps the differences;
staff correct them in the back office's `corrections`.
"""
