"""A server as a child process or as a container: started, watched, stopped or killed, and never left behind."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST_LINES = 30
"""How much of the end of a server's log an error shows, after the errors before it: what follows one can be long."""

PORTS = range(20_000, 32_000)
"""Below the ports that Linux and macOS give to outgoing connections: else a client that keeps trying to reach a killed
broker may take the broker's port for its own end and talk to itself."""


class ServerFailedError(Exception):
    """A server did not come up, or went down by itself; the message ends with the last lines of its log."""


class MissingToolsError(Exception):
    """This machine has nothing to run the server with; the message says what to install."""


def free_ports(count: int) -> list[int]:
    """As many different ports of 127.0.0.1 as asked for that nobody listens on now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


class Process:
    """A server as a child of this process, its output in a file.

    It dies with this process, however that ends, kill -9 included. It has a session of its own, so that Ctrl-C reaches
    only this process, which then stops the server in order.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = list(command)
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the server has been started and not stopped."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the command, its log appended to."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - a command that we built
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._watch = _when_we_die(["kill", "-9", str(self._child.pid)])

    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def terminate(self, patience: float) -> None:
        """Ask it to end; after `patience` seconds kill it."""
        if self._child is not None:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(patience)
        self.kill()

    def kill(self) -> None:
        """Kill -9; returns when it is gone."""
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self._child = None
        if self._watch is not None:
            _release(self._watch)
            self._watch = None

    def remove(self) -> None:
        """Kill it; its files are the caller's."""
        self.kill()

    def last_lines(self) -> str:
        """The end of its log, with the errors before it."""
        if not self._log.exists():
            return ""
        lines = self._log.read_text(errors="replace").splitlines()
        errors = [line for line in lines[:-LAST_LINES] if " ERROR " in line]
        return "\n".join(errors[-LAST_LINES:] + lines[-LAST_LINES:])


class Container:
    """A server as a Docker container with the same verbs as `Process`. Its files live in it until `remove`."""

    def __init__(self, image: str, *, ports: Mapping[int, int], environment: Mapping[str, str]) -> None:
        """`ports` says which port of 127.0.0.1 leads to which port inside."""
        self.name = f"panelstream-{uuid.uuid4().hex[:12]}"
        self._run = ["run", "--detach", "--name", self.name]
        for outside, inside in ports.items():
            self._run += ["--publish", f"127.0.0.1:{outside}:{inside}"]
        for variable, value in environment.items():
            self._run += ["--env", f"{variable}={value}"]
        self._run.append(image)
        self._exists = False
        self._watch: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Create it, or start it again with the files that it has."""
        if self._exists:
            _docker("start", self.name)
            return
        self._watch = _when_we_die(["docker", "rm", "--force", "--volumes", self.name])
        _docker(*self._run)
        self._exists = True

    def running(self) -> bool:
        """Whether its server has been started and has not ended."""
        return self._exists and _docker("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def terminate(self, patience: float) -> None:
        """Ask it to end; after `patience` seconds it is killed."""
        if self._exists:
            _docker("stop", "-t", str(int(patience)), self.name)

    def kill(self) -> None:
        """Kill -9 its server; its files stay."""
        if self.running():
            _docker("kill", self.name)

    def remove(self) -> None:
        """Kill it and forget its files."""
        if self._exists:
            _docker("rm", "--force", "--volumes", self.name)
            self._exists = False
        if self._watch is not None:
            _release(self._watch)
            self._watch = None

    def last_lines(self) -> str:
        """The end of its log."""
        return _docker("logs", "--tail", str(LAST_LINES), self.name) if self._exists else ""


def docker_engine_runs() -> bool:
    """Whether there is a docker command and its engine answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        answer = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=20)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return answer.returncode == 0


def _docker(*arguments: str) -> str:
    answer = subprocess.run(  # noqa: S603
        ["docker", *arguments],  # noqa: S607 - where docker lives is the machine's choice
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    if answer.returncode != 0:
        raise ServerFailedError(f"docker {arguments[0]} ended with {answer.returncode}:\n{answer.stdout.strip()}")
    return answer.stdout


def _when_we_die(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A shell that runs `command` once its standard input closes, which it does when this process ends in any way."""
    return subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", 'read -r _; "$@"', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _release(watch: subprocess.Popen[bytes]) -> None:
    watch.kill()
    watch.communicate()
