"""The life of a study: storage, claims, sampling, pruning, trials."""

import optuna

# Optuna's lines about studies in memory, which importances need, would come between ours.
optuna.logging.set_verbosity(optuna.logging.WARNING)
