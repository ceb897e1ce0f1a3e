"""A network's layers, and what a recipe declares of it, as text and as JSON."""


