"""A sandbox for everything that sends frames: own network, own mounts, own processes, gone when the program ends.

    python -m tests.lab.sandbox pytest tests/lan      run a command inside
    sandbox.enter()                                   at the start of a main(): go on inside

Three processes stand in a row. The supervisor keeps the process id of the program that was started, so that
whoever started it can signal and wait for it. The init is process 1 of the new process namespace: it reaps
orphans, and the kernel kills everything beside it when it ends. The command is its child. The init dies with
the supervisor even on SIGKILL (`prctl(2)`, PR_SET_PDEATHSIG), and namespaces die with their last process:
nothing needs to be cleaned up. As an ordinary user all this happens in a user namespace.

This file runs as a script too, so it imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

INSIDE_VARIABLE = "METALPY_SANDBOX"
"""Set inside to the text of the mark; the mark itself lies in the sandbox's private /run."""

_MARK = Path("/run/metalpy-sandbox")
_STAGE = "--inside-new-namespaces"
_PR_SET_PDEATHSIG = 1
_CAP_SYS_ADMIN = 21
_FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_NOT_PERMITTED = (
    "cannot make namespaces for the sandbox ({why}). It needs root with CAP_SYS_ADMIN, or user namespaces for "
    "ordinary users: sysctl kernel.unprivileged_userns_clone=1 where that exists, "
    "kernel.apparmor_restrict_unprivileged_userns=0 on newer Ubuntu, user.max_user_namespaces above 0; "
    "a container additionally needs a seccomp profile that allows unshare(2)."
)


class SandboxError(RuntimeError):
    """The operating system does not let us make a sandbox; the message says what is needed."""


def is_inside() -> bool:
    """Tell whether this process is in a sandbox: the environment says so, and our private /run agrees."""
    mark = os.environ.get(INSIDE_VARIABLE)
    try:
        return bool(mark) and _MARK.read_text(encoding="ascii") == mark
    except OSError:
        return False


def enter() -> None:
    """Return at once inside a sandbox; else start the current program anew inside one and never return.

    Call it before anything else happens, as the program is run from its beginning. Where no sandbox can be had,
    the program ends with a message that says what is needed.
    """
    if is_inside():
        return
    try:
        run([sys.executable, *sys.orig_argv[1:]])
    except SandboxError as error:
        sys.exit(f"sandbox: {error}")


def run(command: list[str]) -> NoReturn:
    """Replace this process by the supervisor of a sandbox that runs `command`, and exit with its status.

    A command that a signal ended gives 128 plus the signal's number. Raises `SandboxError`.
    """
    unshare = ["unshare", "--net", "--mount", "--pid"]
    if not _has_sys_admin():
        unshare += ["--user", "--map-root-user"]
    _probe(unshare)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(unshare[0], [*unshare, sys.executable, "-I", __file__, _STAGE, *command])  # noqa: S606


def _has_sys_admin() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1)


def _probe(unshare: list[str]) -> None:
    """Find out whether namespaces are to be had while a clear message is still possible."""
    try:
        done = subprocess.run([*unshare, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SandboxError(f"the sandbox needs {error.filename} (Debian package util-linux)") from error
    if done.returncode:
        why = done.stderr.strip() or f"status {done.returncode}"
        raise SandboxError(
            f"the sandbox needs ip (Debian package iproute2): {why}"
            if "failed to execute" in why
            else _NOT_PERMITTED.format(why=why)
        )


def _supervise(command: list[str]) -> NoReturn:
    """Run as what the starter sees: fork the init into the new process namespace and stand for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    supervisor_alive, held_open = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(held_open)
        _die_with_parent(supervisor_alive)
        _become_init(command)
    os.close(supervisor_alive)
    sys.exit(_forward_until_end(init))


def _die_with_parent(parent_alive: int) -> None:
    """Ask the kernel to kill us when the parent ends; end now if it already has (its pipe end is closed)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_PDEATHSIG")
    os.set_blocking(parent_alive, False)
    try:
        os.read(parent_alive, 1)
    except BlockingIOError:
        os.close(parent_alive)
    else:
        os._exit(1)


def _become_init(command: list[str]) -> NoReturn:
    """Run as process 1: private /proc and /run, loopback up, then the command until its end."""
    try:
        _furnish()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        os._exit(1)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_FORWARDED, signal.SIGCHLD})
        try:
            os.execvp(command[0], command)  # noqa: S606 - the user's own command line
        except OSError as error:
            sys.stderr.write(f"sandbox: {command[0]}: {error.strerror}\n")
            os._exit(127)
    os._exit(_forward_until_end(child))


def _furnish() -> None:
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "sandbox", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/run/netns").mkdir()  # ip netns wants it
    mark = secrets.token_hex(8)
    _MARK.write_text(mark, encoding="ascii")
    os.environ[INSIDE_VARIABLE] = mark


def _forward_until_end(child: int) -> int:
    """Pass signals on to `child`, reap whatever ends, and return the exit status once `child` has ended.

    What the terminal sends (Ctrl-C) reached the whole process group already; only what one process sent to
    another, si_code 0 or less (sigaction(2)), is passed on.
    """
    while True:
        received = signal.sigwaitinfo({*_FORWARDED, signal.SIGCHLD})
        if received.si_signo != signal.SIGCHLD:
            if received.si_code <= 0:
                os.kill(child, received.si_signo)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if pid == 0:
                break


def main(arguments: list[str]) -> None:
    """Run a command line inside a sandbox."""
    if arguments[:1] == [_STAGE]:
        _supervise(arguments[1:])
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        sys.exit("usage: python -m tests.lab.sandbox COMMAND [ARGUMENT...]")
    if is_inside():
        os.execvp(command[0], command)  # noqa: S606 - already inside: nothing to add
    try:
        run(command)
    except SandboxError as error:
        sys.exit(f"sandbox: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
