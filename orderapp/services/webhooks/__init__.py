"""Tells other programs of events: who subscribes, what they get, and how it reaches them.

Events are written by `saga.events`, in the transactions that decide. `distribute` makes one delivery of each event for
each subscription; `deliver` sends it; `subscriptions` has the acts of staff.
"""
