"""Runs tasks: claim one, call its system, record what came of it; and finds those that nobody runs.

Begin with `run`. A run goes through `claim`, `perform` and the record in `run`; `outbox` finds what the broker has to
be told of, `recovery` what died half way, `poison` what may have killed its worker.
"""
