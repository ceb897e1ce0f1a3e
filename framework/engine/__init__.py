"""Trainer, evaluator and the training step, as Ignite engines and handlers."""
