"""A process that imports torch and transformers takes four seconds: it is started once, and forks for whoever asks."""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

# Other hashes, and hardly an environment; nothing of this project is imported there.
SERVER = """
import json, os, sys, traceback
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
for line in sys.stdin:
    script, folder, *arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            sys.stdout = open("printed.txt", "w")
            sys.argv = [script, *arguments]
            exec(compile(open(script).read(), script, "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc(file=open(os.path.join(folder, "said.txt"), "w"))
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def server() -> subprocess.Popen[str]:
    """The process; it ends when its input is closed."""
    environment = {"PYTHONHASHSEED": "1", "PATH": "", "HOME": mkdtemp(prefix="fresh-"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", SERVER]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def run_fresh(code: str, folder: Path, *arguments: str) -> str:
    """Run code in a fork of the fresh process, in a folder, as a script with these arguments; what it prints."""
    (folder / "fresh.py").write_text(code)
    process = server()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(["fresh.py", os.fspath(folder), *arguments]) + "\n")
    process.stdin.flush()
    code_of_exit = process.stdout.readline().strip()
    said = folder / "said.txt"
    assert code_of_exit == "0", said.read_text() if said.exists() else code_of_exit
    return (folder / "printed.txt").read_text()
