"""Losses beside the labels' cross entropy."""
