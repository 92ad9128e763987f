"""Diagnoses as pages: text, one line, JSON."""
