"""What happens: placing, running a task, compensating, recovering.

Only services commit, each visibly in a `with` block. No call to another system is made while a transaction is open.
"""
