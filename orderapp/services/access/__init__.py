"""Who may do what, and how often: staff and their logins, API clients and their tokens, counters of attempts.

Start with `logins` and `accounts` for people and `api_tokens` for programs. All limits count with `attempt_counters`.
"""
