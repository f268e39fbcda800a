"""Entropy coding of quantised latents: tables, coder, exact arithmetic, container."""
