"""Orders in and out: incoming requests, orders as they are shown, products, cancelling.

Start with `request_schema` (in) and `views` (out).
"""
