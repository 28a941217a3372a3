"""The tests' own surroundings: what the developer has set does not reach them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEST = """
from core.settings import Settings
def test_defaults():
    settings = Settings()
    assert settings.text_embedding_model == Settings.model_fields["text_embedding_model"].default
    assert settings.query_deadline_s == Settings.model_fields["query_deadline_s"].default
"""


def test_tests_read_neither_the_shell_nor_the_projects_env_file(tmp_path: Path) -> None:
    """With settings in the shell and in the project's `.env`, a test sees the defaults."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "tests" / "test_defaults.py").write_text(TEST)
    (tmp_path / ".env").write_text("QUERY_DEADLINE_S=7\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TEXT_EMBEDDING_MODEL": "mine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
