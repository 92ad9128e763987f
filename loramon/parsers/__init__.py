"""Trainers' formats: each a profile in a file of its own, listed in order in `profiles`; one engine reads them all."""
