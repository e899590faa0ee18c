"""Hugging Face Trainer of transformers 5.x on one device; its arguments set accumulation, fp16 and bf16.

Gradients are those of the Trainer: a micro-batch counts its share of ``num_items_in_batch`` if the loss is divided by
that number, and 1/N if the loss is a mean. FreeAT is refused, because the Trainer gives each batch once.
"""

import tempfile

from tiny_setup import tiny_model, tiny_rows
from transformers import Trainer, TrainingArguments

from adv import FGM
from adv.trainer import AdversarialTraining


class AdversarialTrainer(AdversarialTraining, Trainer):
    """For BERT and most classifiers."""

    # Their loss is a mean that takes num_items_in_batch and ignores it. Without this line the Trainer adds up the means
    # of N micro-batches undivided, with or without the mixin. Leave it out if the loss uses the number.
    loss_is_scaled_for_ga = False


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=5,
            learning_rate=5e-3,
            gradient_accumulation_steps=2,
            logging_strategy="epoch",
            save_strategy="no",
            report_to="none",
            dataloader_pin_memory=False,
            disable_tqdm=True,
        )
        model = tiny_model()
        trainer = AdversarialTrainer(model, arguments, train_dataset=tiny_rows())
        trainer.method = FGM(epsilon=0.5, start_epoch=1)
        trainer.train()
