"""What is read and asked of orders: requests as they come in, orders as they are shown, products, cancelling.

Begin with `request_schema` (in) and `views` (out).
"""
