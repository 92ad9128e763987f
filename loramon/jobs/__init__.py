"""Jobs: trainings that outlive the terminal they were started from, and trainings that others started."""
