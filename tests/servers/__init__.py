"""Real servers for tests: private instances, on free ports of loopback, in directories of their own, stopped by pid."""
