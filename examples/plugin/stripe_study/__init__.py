"""Stripes by their direction: a package that brings all its parts to Emberfield."""
