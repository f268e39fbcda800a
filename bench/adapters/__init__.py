"""Ways of calling codecs: one module per library, one for any external program."""
