"""The screens of the dashboard, one file a screen, and what only they need: rows, words, themes, filters."""
