"""Keeps one failing or slow system from stopping everything else.

Start with `load_shedding`, which decides whether an order may call its systems now: by staff's `switches`, the
`circuit_breakers`, the `rate_limiter` and the `bulkheads`. `skipped_items` keeps one bad row from stopping a loop.
"""
