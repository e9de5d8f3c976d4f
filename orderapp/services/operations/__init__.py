"""Tells how an installation is: whether it can serve, what is wrong with it, its figures.

Begin with `doctor`.
"""
