"""Takes from a process what it does not need to look at files: network, files, memory, children.

In: a folder that it may write to. Out: nothing.
Must never: give anything back; be called in the gateway's own processes.

Whoever takes the process over with a file that was made for it finds: no file of the gateway's to
read (keys, configuration, log), none to write but nameless ones in one folder, no network of its
own, no other program, no other process, a bounded memory. Landlock (Linux 5.13), seccomp and
namespaces are used where the kernel has them and allows it; limits (setrlimit) hold everywhere.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WANTED: Final = frozenset({
    *("memory", "disk", "descriptors", "processes", "dumps", "network", "files", "calls"),
})  # fmt: skip
"""What there is to be taken away. Without namespaces, of the network the calls are."""

_FIRST_TO_GO: Final = Path("/proc/self/oom_score_adj")  # when the machine's memory runs out
_DESCRIPTORS: Final = 64

# linux/landlock.h; the numbers of the calls are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH: Final = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_REG = 1 << 5, 1 << 8
_RIGHTS: Final = ((1, 13), (2, 14), (3, 15), (5, 16))  # how many rights over files each ABI knows
_NET: Final = 0b11  # from ABI 4: bind, connect
_SCOPES: Final = 0b11  # from ABI 6: abstract sockets, signals
_NO_NEW_PRIVILEGES: Final = 38  # prctl


def confine(folder: Path, size: int, memory: int) -> tuple[str, ...]:
    """Takes away what can be taken away on this machine, for good.

    Args:
        folder: for files without names.
        size: bytes that one of them may have.
        memory: bytes of address space.

    Returns:
        What was taken away: all of `WANTED` if this machine allows it.
    """
    done = [
        name
        for name, what, wanted in (
            ("memory", resource.RLIMIT_AS, memory),
            ("disk", resource.RLIMIT_FSIZE, size),
            ("descriptors", resource.RLIMIT_NOFILE, _DESCRIPTORS),
            ("processes", resource.RLIMIT_NPROC, 0),
            ("dumps", resource.RLIMIT_CORE, 0),
        )
        if _limit(what, wanted)
    ]
    with suppress(OSError):  # then it goes when the others do
        _FIRST_TO_GO.write_text("900")
    with suppress(OSError):  # then it is as quick as the others
        os.nice(10)  # pages go first
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    # Where namespaces are not allowed (many containers), the network stays; Landlock takes TCP.
    with suppress(OSError):
        os.unshare(os.CLONE_NEWNET | (os.CLONE_NEWUSER if os.geteuid() else 0))
        done.append("network")
    if _landlock(libc, folder):
        done.append("files")
    if _forbid(libc):
        done.append("calls")
    return tuple(done)


def _limit(what: int, wanted: int) -> bool:
    """Whether a limit holds now: services may be forbidden to set any (systemd's @resources)."""
    most = resource.getrlimit(what)[1]
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    try:
        resource.setrlimit(what, (limit, limit))
    except (OSError, ValueError):
        return most == limit
    return True


def processor_time(seconds: float) -> None:
    """Ends this process when it has worked for so much longer than now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = limit if most == resource.RLIM_INFINITY else min(limit, most)
    with suppress(OSError, ValueError):  # the gateway has a clock too
        resource.setrlimit(resource.RLIMIT_CPU, (soft, most))


_SECCOMP, _FILTER = 22, 2  # prctl, linux/seccomp.h
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # the latter: EPERM
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
_X32: Final = 0x40000000  # calls of another ABI, with other numbers

_CALLS: Final = {
    # linux/audit.h, and the numbers of: socket, connect, socketpair, execve, execveat, ptrace,
    # process_vm_readv, process_vm_writev, bpf, perf_event_open, userfaultfd, io_uring_setup
    "x86_64": (0xC000003E, (41, 42, 53, 59, 322, 101, 310, 311, 321, 298, 323, 425)),
    "aarch64": (0xC00000B7, (198, 203, 199, 221, 281, 117, 270, 271, 280, 241, 282, 425)),
}


def _forbid(libc: ctypes.CDLL) -> bool:
    """Whether the kernel now refuses calls that nothing here needs (seccomp)."""
    known = _CALLS.get(os.uname().machine)
    if known is None:
        return False
    architecture, calls = known
    refuse = len(calls) + 1  # from the first comparison of a number to the refusal
    steps = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 0, refuse + 2, architecture),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_AT_LEAST, refuse, 0, _X32),
        *((_EQUAL, refuse - 1 - place, 0, call) for place, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the pointer is where a pointer is aligned
    described = struct.pack("@HP", len(steps), ctypes.addressof(code))
    return bool(libc.prctl(_SECCOMP, ctypes.c_ulong(_FILTER), described) == 0)


def _landlock(libc: ctypes.CDLL, folder: Path) -> bool:
    """Whether files are closed to this process now, but for code and its folder."""
    abi = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return False
    count = max(number for least, number in _RIGHTS if abi >= least)
    # struct landlock_ruleset_attr, as long as this kernel knows it
    wanted = struct.pack("=3Q", (1 << count) - 1, _NET, _SCOPES)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, wanted, size, 0)
    if ruleset < 0:
        return False
    try:
        for path in _code():
            _allow(libc, ruleset, path, _READ_FILE | _READ_DIR)
        # Without names: O_TMPFILE makes what could be linked, if linking were allowed.
        _allow(libc, ruleset, folder, _READ_FILE | _WRITE_FILE | _MAKE_REG | _REMOVE_FILE)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _code() -> Iterable[Path]:
    """Where Python and libraries load from what they have not loaded yet."""
    paths = {Path(path) for path in (*sys.path, sys.base_prefix + "/lib", "/usr/lib", "/lib")}
    return [path for path in paths if path.is_absolute() and path.is_dir()]


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    with suppress(OSError):  # it is gone: then nobody can load from it either
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", rights, descriptor)  # struct landlock_path_beneath_attr
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)
