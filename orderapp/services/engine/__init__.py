"""Runs tasks: claims a task, calls its system, records the result; and finds tasks that nobody runs.

Start with `run`. A run goes through `claim`, `perform` and the record in `run`. `outbox` finds the tasks to send to the
broker, `recovery` takes over work whose process died, and `poison` handles tasks that may have killed their worker.
"""
