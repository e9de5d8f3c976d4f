"""The health of an installation: whether it can serve, what is wrong with it, its metrics.

Start with `doctor`.
"""
