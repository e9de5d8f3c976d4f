"""How the cost of each hot query grows with the orders that are kept: `make growth`."""
