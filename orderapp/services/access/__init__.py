"""Who may do what, and how often: staff and their logins, API clients and their tokens, counters of attempts.

Begin with `accounts` for people and `api_tokens` for programs; `attempt_counters` is what all limits count with.
"""
