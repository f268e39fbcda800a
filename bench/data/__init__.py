"""How data sets are found, fetched, verified and iterated."""
