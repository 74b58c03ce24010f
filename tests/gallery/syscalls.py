"""A fault at the n-th call of the system that changes a file, whichever thread makes it.

`strace --inject` counts the calls of each thread for itself, and the engine writes from many: most
calls could not be reached. So the kernel is asked to hold each such call until the test has said
what becomes of it (seccomp, user notification; Linux 5.9 or later, no rights needed).
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import time

_NUMBERS = {
    "x86_64": (0xC000003E, 317, {
        "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "pwritev2": 328,
        "copy_file_range": 326, "ftruncate": 77, "fallocate": 285,
        "fsync": 74, "fdatasync": 75, "rename": 82, "renameat": 264, "renameat2": 316,
        "link": 86, "linkat": 265, "unlink": 87, "unlinkat": 263, "mkdir": 83, "mkdirat": 258,
        "open": 2, "openat": 257,
    }),
    "aarch64": (0xC00000B7, 277, {
        "write": 64, "pwrite64": 68, "writev": 66, "pwritev": 70, "pwritev2": 287,
        "copy_file_range": 285, "ftruncate": 46, "fallocate": 47,
        "fsync": 82, "fdatasync": 83, "renameat": 38, "renameat2": 276, "linkat": 37,
        "unlinkat": 35, "mkdirat": 34, "openat": 56,
    }),
}  # fmt: skip

_KIND = {
    "write": ("write", 0, False), "pwrite64": ("write", 0, False), "writev": ("write", 0, False),
    "pwritev": ("write", 0, False), "pwritev2": ("write", 0, False),
    "copy_file_range": ("write", 2, False), "ftruncate": ("write", 0, False),
    "fallocate": ("write", 0, False), "fsync": ("fsync", 0, False),
    "fdatasync": ("fsync", 0, False), "rename": ("rename", 0, True),
    "renameat": ("rename", 1, True), "renameat2": ("rename", 1, True), "link": ("rename", 0, True),
    "linkat": ("rename", 1, True), "unlink": ("unlink", 0, True), "unlinkat": ("unlink", 1, True),
    "mkdir": ("create", 0, True), "mkdirat": ("create", 1, True), "open": ("create", 0, True),
    "openat": ("create", 1, True),
}  # fmt: skip
"""What a call does, and which of its arguments says to which file: a path, or a descriptor."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_NOTIFY, _ALLOW, _O_CREAT = 0x7FC00000, 0x7FFF0000, 0o100
_RECEIVE, _SEND = 0xC0502100, 0xC0182101


def why_not():
    """Why this machine cannot hold calls; None: it can."""
    if platform.system() != "Linux" or platform.machine() not in _NUMBERS:
        return "holding calls of the system needs Linux on x86-64 or 64-bit ARM"
    pid = os.fork()
    if pid == 0:
        try:
            _hold()
            os._exit(0)
        except OSError:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return None if status == 0 else "this kernel does not let a process hold calls (seccomp)"


def _filter():
    arch, _, numbers = _NUMBERS[platform.machine()]
    opens = {"open": 24, "openat": 32}  # where their flags lie in the kernel's record
    code = [(0x20, 0, 0, 4), (0x15, 1, 0, arch), (0x06, 0, 0, _ALLOW), (0x20, 0, 0, 0)]
    for name, number in numbers.items():
        if name in opens:
            code += [
                (0x15, 0, 4, number), (0x20, 0, 0, opens[name]), (0x45, 0, 1, _O_CREAT),
                (0x06, 0, 0, _NOTIFY), (0x06, 0, 0, _ALLOW),
            ]  # fmt: skip
        else:
            code += [(0x15, 0, 1, number), (0x06, 0, 0, _NOTIFY)]
    code.append((0x06, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *each) for each in code), len(code)


def _hold():
    """Makes the kernel hold this process's calls; returns the descriptor that they come from."""
    text, count = _filter()
    buffer = ctypes.create_string_buffer(text)
    program = struct.pack("HxxxxxxP", count, ctypes.addressof(buffer))
    if _libc.prctl(38, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    # For all threads (1), and those that do not follow are an error (16); a listener (8).
    handle = _libc.syscall(_NUMBERS[platform.machine()][1], 1, 1 | 8 | 16, program)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return handle


class Fault:
    """What befalls the n-th call.

    Args:
        what: `kill`; `ENOSPC` or `EIO`, once; `full`: ENOSPC of everything that takes up room, from
            then on; None: nothing, the calls are counted alone.
        number: n, from 1.
    """

    def __init__(self, what=None, number=0):
        self.what, self.number = what, number

    def of(self, number, kind):
        """The error of a call, `kill`, or None."""
        if self.what == "full":
            return errno.ENOSPC if number >= self.number and kind in ("write", "create") else None
        if self.what is None or number != self.number:
            return None
        return "kill" if self.what == "kill" else getattr(errno, self.what)


def run(does, watched, fault, limit=120.0):
    """Runs a function in a process of its own, with a fault.

    Args:
        does: the function; it says how it ended by files of its own.
        watched: the folder whose files count.
        fault: see there.
        limit: seconds that it may take.

    Returns:
        The calls as (kind, path), how many of them the fault befell, and whether it hung.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            ours.close()
            socket.send_fds(theirs, [b"."], [_hold()])
            does()
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    _, (handle, *_), _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    ended = os.pidfd_open(pid)
    names = {number: name for name, number in _NUMBERS[platform.machine()][2].items()}
    calls, befell, end = [], 0, time.monotonic() + limit
    try:
        while not select.select([ended], [], [], 0)[0]:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                return calls, befell, True
            if handle not in select.select([handle, ended], [], [], 1.0)[0]:
                continue
            record = bytearray(80)
            try:
                fcntl.ioctl(handle, _RECEIVE, record)
            except OSError:
                continue
            number, thread, _, call, _, _, *arguments = struct.unpack("QIIiIQ6Q", record)
            kind, path = _meant(names[call], thread, arguments)
            error = None
            if path is not None and path.startswith(str(watched)):
                calls.append((kind, path))
                error = fault.of(len(calls), kind)
            befell += error is not None
            if error == "kill":
                os.kill(pid, signal.SIGKILL)
                continue
            answer = struct.pack("Qqii", number, 0, -(error or 0), 0 if error else 1)
            try:
                fcntl.ioctl(handle, _SEND, bytearray(answer))
            except OSError:
                continue
    finally:
        os.waitpid(pid, 0)
        os.close(ended)
        os.close(handle)
    return calls, befell, False


def _meant(name, thread, arguments):
    kind, place, by_path = _KIND[name]
    try:
        if not by_path:
            return kind, os.readlink(f"/proc/{thread}/fd/{arguments[place]}")
        with open(f"/proc/{thread}/mem", "rb", 0) as memory:
            memory.seek(arguments[place])
            text = b""
            while b"\0" not in text and len(text) < 4096:
                # Not over the end of a page: the next one may not be there.
                text += memory.read(256 - (arguments[place] + len(text)) % 256)
        return kind, text[: text.index(b"\0")].decode("utf-8", "replace")
    except (OSError, ValueError):
        return kind, None
