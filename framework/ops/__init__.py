"""Operators that a library computes slowly or wrongly, computed another way; each can be switched off."""

from framework.ops.overrides import PLAIN_OPS, OperatorOverrides

__all__ = ["PLAIN_OPS", "OperatorOverrides"]
