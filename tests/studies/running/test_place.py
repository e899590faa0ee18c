import json
import os
from dataclasses import replace

from studies.running.place import Place

HERE = Place.here()


def test_a_process_that_waits_to_be_noticed_by_its_parent_has_ended():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    place = replace(HERE, pid=child)
    assert place.gone
    os.waitpid(child, 0)


def test_places_are_read_as_they_were_written():
    assert Place.read(str(HERE)) == HERE
    for text in ("", "ended", "[]", json.dumps({"host": "h"}), json.dumps({"host": "h", "port": 1})):
        assert Place.read(text) is None
