"""The life of a study: storage, claims, sampling, pruning, trials."""
