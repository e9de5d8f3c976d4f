"""Every external system against its contract. What is here for all systems finds them by itself."""
