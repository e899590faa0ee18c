"""The life of a study: storage, claims, sampling, pruning, trials."""

import optuna

# Its lines about studies made in memory, for importances, would stand between ours.
optuna.logging.set_verbosity(optuna.logging.WARNING)
