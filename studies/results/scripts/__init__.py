"""Scripts to hand on: a trial for transformers' Trainer, in a loop of its own, and as settings for competition code."""
