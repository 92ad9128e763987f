"""Advice: settings under each trainer's own names, remedies, conflicts, and the advisor that joins them."""
