"""The same small training by three libraries, each saving and resuming in its own stock way."""
