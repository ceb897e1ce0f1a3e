"""A trained network for other programs: its weights alone, or the whole of it."""
