"""What happens to orders: rooms from the ground up, each of which may use those before it and none after it.

`db`, `access`, `resilience`, `saga`, `engine`, `orders`, `placing`, `reconciliation`, `archive`, `operations`,
`backoffice`. Each room's own docstring says where to begin in it; an order's way begins in `placing.place`.

Only services commit, each visibly in a `with` block. No call to another system is made while a transaction is open.
"""
