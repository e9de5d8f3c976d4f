"""Places an order: from a submission to its answer.

Begin with `place`, which reads from top to bottom: `preflight`, `pricing`, `tx1`, the `blocking_calls`, then `tx2` if
all of them did their part, or the room `saga`'s `abort` if one did not.
"""
