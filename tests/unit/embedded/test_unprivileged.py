"""Reaching files as another user without opening them to everybody."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path

import pytest

from embedded.unprivileged import choose_identity

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


@pytest.mark.skipif(os.geteuid() == 0, reason="for everybody but root")
def test_everybody_but_root_runs_as_himself(tmp_path: Path) -> None:
    """No change of user where none is needed."""
    assert choose_identity(tmp_path / "data", needed=(tmp_path,)) is None


@as_root
def test_root_gets_a_user_who_reaches_the_files_and_nobody_else_does(tmp_path: Path) -> None:
    """Folders on the way get the execute bit for their group only; the tree can be read by the chosen user."""
    closed = tmp_path / "closed"
    program = closed / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho hello\n")
    for path, mode in ((program, 0o700), (program.parent, 0o700), (closed, 0o700)):
        path.chmod(mode)
    identity = choose_identity(closed / "data", needed=(program.parent,))
    assert identity is not None
    assert identity.uid != 0
    done = subprocess.run(
        [program], user=identity.uid, group=identity.gid, extra_groups=list(identity.groups), capture_output=True
    )
    assert done.stdout == b"hello\n"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o710
    assert not any(path.stat().st_mode & stat.S_IRWXO for path in (closed, program.parent, program))


@as_root
def test_the_owner_of_a_data_directory_keeps_it(tmp_path: Path) -> None:
    """A directory that belongs to some user already is served by that user."""
    data, user = tmp_path / "data", pwd.getpwnam("daemon")
    data.mkdir()
    os.chown(data, user.pw_uid, user.pw_gid)
    identity = choose_identity(data, needed=())
    assert identity is not None
    assert identity.uid == user.pw_uid
