"""The one loop, its steps, averages and snapshots."""
