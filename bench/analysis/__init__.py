"""From rows to answers: curves, BD-rates and their intervals. Reads results, never codecs."""
