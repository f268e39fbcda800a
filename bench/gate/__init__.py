"""The regression gate: a run against a committed baseline, by rules, with a verdict."""
