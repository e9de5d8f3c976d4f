"""Plain values: what an order, an amount, a state, an outcome and a decision are. Standard library only, no I/O."""
