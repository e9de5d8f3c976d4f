"""One placement of an order and its steps: what is held, what each answer means, what has to be given back.

Begin with `values`, which travel through a placement, then `submissions` (the key and its lease), `attempts` (the
history) and `compensation` (what a placement's steps call for when it is turned round).
"""
