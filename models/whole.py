"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, mode: int | None = 0o600) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` in one step at the end, and leaves nothing behind on an error.

    mode: its permissions, at first the owner's alone; None: those of any new file.  The folder has to be there.
    Raises OSError that names `path`, with what was there kept.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    first = 0o666 if mode is None else 0o600
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, first)) as file:
            yield file
            file.flush()
            # A name must not reach the disk before what it names, or a power cut leaves an empty file of that name.
            os.fsync(file.fileno())
        if mode is not None and mode != first:
            temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.filename is not None and str(error.filename) != str(temporary):
            raise
        # Of a full disk numpy says only how many numbers it wrote.
        code = error.errno or errno.ENOSPC
        raise OSError(code, os.strerror(code), str(path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


__all__ = ["replacing"]
