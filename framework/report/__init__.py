"""Pictures and tables of a run, one concept a file."""
