"""From arguments to a checked plan."""
