"""What happens to orders: packages in layers. Each package may use those before it in this list, and none after it.

`db`, `access`, `resilience`, `saga`, `engine`, `orders`, `placing`, `reconciliation`, `webhooks`, `archive`,
`operations`, `backoffice`. Each package's own docstring says where to start reading; an order starts in
`placing.place`.

Only services commit, always in a visible `with` block. No external system is called while a transaction is open.
"""
