"""A Jupyter kernel in a forked process: it speaks through its sockets as any other, and imports torch and Optuna no more.

What is the project's own is imported again.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import warnings

import ipykernel.kernelapp

import finetune.models.tiny  # noqa: F401  what a search imports
import studies.report.outputs
import studies.searching  # noqa: F401

OURS = ("adv", "finetune", "spaces", "studies", "search")


def serve(arguments, environment, folder):
    """What the process does."""
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):  # as Python starts
        warnings.simplefilter("ignore", kind)
    asyncio.set_event_loop(asyncio.new_event_loop())
    ipykernel.kernelapp.launch_new_instance(arguments)


class Kernel:
    """In the place of ``jupyter_client.launcher.launch_kernel``: the process, with what Jupyter asks of it."""

    stdin = stdout = stderr = None

    def __init__(self, command, env, cwd, **options):
        arguments = command[command.index("-f") :], env, cwd
        self.child = multiprocessing.get_context("fork").Process(target=serve, args=arguments, daemon=True)
        self.child.start()
        self.pid = self.child.pid
        os.setpgid(self.pid, self.pid)  # its whole group is killed

    def poll(self):
        return self.child.exitcode

    def wait(self):
        self.child.join()
        return self.child.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)
