"""ONE SEARCH: objective, storage, pruning, claims, importance, report, export. Imports optuna and everything below."""

import optuna

# Its own lines say less than ours, and come out of order with a progress bar.
optuna.logging.set_verbosity(optuna.logging.WARNING)
