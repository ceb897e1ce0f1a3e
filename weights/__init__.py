"""Pretrained weights: data alone, read by `architectures.pretrained`; README.md is their model card."""
