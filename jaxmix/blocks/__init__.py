"""Blocks of a picture: which picture fills each (labels), and which block of the picture goes there (transport)."""
