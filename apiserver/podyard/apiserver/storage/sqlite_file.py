"""The SQLite file: its schema, and the refusal to touch a file that is not right."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from podyard.process.main import UserError

APPLICATION_ID = 0x706F6479
"""Marks the file as ours (PRAGMA application_id): "pody"."""

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    previous INTEGER NOT NULL,  -- the key's revision before this one, 0 when it was absent
    data BLOB                   -- NULL: the key was deleted
);
CREATE INDEX log_by_key ON log (key, revision);
CREATE TABLE compacted (revision INTEGER NOT NULL);
INSERT INTO compacted VALUES (0);
"""


class FileLock:
    """Keeps a second process off the same file. The kernel lets go of it when we die."""

    def __init__(self, database: Path) -> None:
        """Take the lock, or raise UserError naming who holds it."""
        self._fd = os.open(f"{database}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise UserError(
                f"{database} is in use by another apiserver (pid {holder}); "
                "stop that one or choose another --data-dir"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another process have the file."""
        os.close(self._fd)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, making it when it is not there; UserError when it is not what we can use.

    An existing file is looked at through a read-only connection first, so that one that is
    refused stays byte for byte what it was.
    """
    try:
        fresh = not path.exists() or path.stat().st_size == 0 or _check(path)
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=32)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if fresh:
            connection.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
    except sqlite3.DatabaseError as error:
        raise UserError(f"cannot open the storage file {path}: {error}; nothing was changed") from None
    return connection


def _check(path: Path) -> bool:
    """True when the file is empty of tables (a start that was cut off), False when it is good."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not application and not version and not tables:
            return True
        if application != APPLICATION_ID:
            raise UserError(
                f"{path} is a database of another program; choose another --data-dir; nothing was changed"
            )
        if version > SCHEMA_VERSION:
            raise UserError(
                f"{path} was written by a newer podyard (schema version {version}, this one knows"
                f" {SCHEMA_VERSION}); use that version or another --data-dir; nothing was changed"
            )
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict.splitlines()[-1])
        return False
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"{path} is corrupted ({error}); move it away, or put a backup in its place; nothing was changed"
        ) from None
    finally:
        connection.close()
