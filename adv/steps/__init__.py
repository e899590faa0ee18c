"""The kinds of step that methods derive from."""
