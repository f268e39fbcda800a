"""Learned image codecs in plain PyTorch: networks, entropy models, checkpoints."""
