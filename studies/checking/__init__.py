"""One step looked at."""
