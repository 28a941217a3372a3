"""Who may run Postgres, which refuses to run as root, and how that user reaches its files.

Invariant: nothing is opened to everybody. A folder on the way that the user cannot enter gets the execute bit for its
*group*, and the server process joins that group; files and listings stay closed.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError

_DEFAULT_USER = "nobody"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """User, group and further groups of a child process."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def choose_identity(data_dir: Path, *, needed: tuple[Path, ...]) -> Identity | None:
    """The user for a data directory, able to reach it and `needed` trees; None: run as ourselves.

    The owner of an existing directory keeps it, so that a home works after it was moved between users. `data_dir`
    itself need not exist. Raises ConfigurationError when root finds no other user on this machine.
    """
    if os.geteuid() != 0:
        return None
    user = _find_user(data_dir)
    groups = {gid for path in (data_dir, *needed) for gid in _open_parents(path, user=user)}
    groups |= {gid for path in needed for gid in _open_tree(path, user=user)}
    return Identity(uid=user.pw_uid, gid=user.pw_gid, groups=tuple(sorted(groups)))


def _find_user(data_dir: Path) -> pwd.struct_passwd:
    try:
        if data_dir.exists() and (owner := data_dir.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
        return pwd.getpwnam(_DEFAULT_USER)
    except KeyError as error:
        raise ConfigurationError(
            f"root cannot run Postgres, and there is no user for it ({error}): create one called {_DEFAULT_USER!r} "
            "or start the stack as another user"
        ) from error


def _open_parents(path: Path, *, user: pwd.struct_passwd) -> Iterator[int]:
    for parent in path.absolute().parents:
        if parent.exists():
            yield from _open_to(parent, user=user, own=stat.S_IXUSR, group=stat.S_IXGRP, other=stat.S_IXOTH)


def _open_tree(root: Path, *, user: pwd.struct_passwd) -> Iterator[int]:
    """Installed under a umask of 077, a package is unreadable to all but its owner."""
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            continue
        read, execute = (stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH), (stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH)
        runnable = path.is_dir() or bool(path.stat().st_mode & stat.S_IXUSR)
        own, group, other = (r | (x if runnable else 0) for r, x in zip(read, execute, strict=True))
        yield from _open_to(path, user=user, own=own, group=group, other=other)


def _open_to(path: Path, *, user: pwd.struct_passwd, own: int, group: int, other: int) -> Iterator[int]:
    """Give these bits to the path's group unless the user has them, and name the group that must be joined."""
    status = path.stat()
    if status.st_uid == user.pw_uid and status.st_mode & own == own:
        return
    if status.st_gid != user.pw_gid and status.st_mode & other == other:
        return
    if status.st_mode & group != group:
        path.chmod(stat.S_IMODE(status.st_mode) | group)
    if status.st_gid != user.pw_gid:
        yield status.st_gid
