"""Places an order: from a submission to its answer.

Start with `place`, which reads from top to bottom: `preflight`, `pricing`, `tx1`, the `blocking_calls`, then `tx2` if
all calls succeeded, or `saga.abort` if one did not.
"""
