"""Experiments, one file each: the only place where framework and architectures meet."""
