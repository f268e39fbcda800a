"""The hybrid codec: a transform codec's start, learned branches beside it, every part a switch."""
