import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import optuna
from helpers.made_up_studies import made
from helpers.places import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int) -> list[str]:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer:
                return [summary["study_name"] for summary in json.load(answer)["study_summaries"]]
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("the dashboard does not answer")


def test_the_dashboard_shows_the_study_on_the_loopback_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    optuna.copy_study(from_study_name="made", from_storage=made("CCP")._storage, to_storage=url)
    port = free_port()
    command = [sys.executable, str(ROOT / "search.py"), "dashboard", "--storage", url, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert fetch(port) == ["made"]
        listening = Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
        mine = [
            line.split()[1] for line in listening if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
        ]
        assert mine == [f"0100007F:{port:04X}"]
    finally:
        process.terminate()
        process.wait()
