"""The engine: a plan's cells go to workers, their results to the store and the run's folder."""
