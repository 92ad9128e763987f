"""Recordings: the facts of a watched run, and their player."""
