"""Kinds of task: labels, metrics, scaling."""
