"""`diagnose --fix`: remedies written into the run's own command line or settings, as a diff. No file is ever changed."""
