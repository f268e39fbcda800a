"""The recurrent codec: chunk after chunk of bytes, each of which makes the image better."""
