"""One placement (saga) and its steps: who holds it, what each answer means, and what must be compensated.

Start with `values`, which are passed through a placement, then `submissions` (the key and its lease), `attempts` (the
history) and `compensation` (the tasks that undo a placement's steps).
"""
