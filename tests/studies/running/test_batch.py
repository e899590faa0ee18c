import threading

import optuna
import pytest
from helpers.made_up_studies import made, stored
from helpers.shown_studies import summary_of
from optuna_dashboard import get_note

from finetune.arguments import as_options
from finetune.errors import UserError
from studies.report.shown import show
from studies.running.batch import batch
from studies.running.storage import open_storage


def test_every_kind_of_database_is_written_by_several_at_once(url):
    storage = open_storage(url)
    summary = summary_of(stored(made("CF"), storage))
    errors = []

    def work(size):
        try:
            for _ in range(3):
                show(summary, storage, as_options, "x" * size)
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(size,)) for size in (30, 5000)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert summary.study.metric_names == ["accuracy"]
    assert get_note(summary.study).split("```\n")[1] in ("x" * 30 + "\n", "x" * 5000 + "\n")
    storage.engine.dispose()


def test_a_batch_sees_what_it_wrote_and_others_see_it_at_the_end(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 's.db'}")
    study = optuna.create_study(study_name="s", storage=storage)
    study.set_user_attr("kept", 1)
    with batch(study, storage) as writes:
        writes.set_study_system_attr(writes.id, "a", [1])
        writes.set_study_system_attr(writes.id, "a", [2])
        writes.set_user("kept", {"b": None})
        assert writes.get_study_system_attrs(writes.id)["a"] == [2]
        assert "a" not in storage.get_study_system_attrs(study._study_id)
    assert storage.get_study_system_attrs(study._study_id)["a"] == [2]
    assert study.user_attrs == {"kept": {"b": None}}


def test_a_study_that_was_deleted_is_an_error(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 's.db'}")
    study = optuna.create_study(study_name="s", storage=storage)
    optuna.delete_study(study_name="s", storage=storage)
    with pytest.raises(UserError, match="no longer in the database"), batch(study, storage):
        pass
