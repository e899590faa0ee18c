"""What touches a model, and what all methods share."""
