"""The published baselines as networks of all rates that `bench train` can train."""
