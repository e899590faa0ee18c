"""What is handed on of a training: models in folders with cards, and their out-of-fold predictions."""
