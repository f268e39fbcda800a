"""Training of learned codecs: losses, data, schedules, the loop."""
