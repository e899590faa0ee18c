"""What several tests need, by what it helps with."""
