"""Points a command to the embedded stack that runs in AVS_HOME, so that nobody has to export its addresses."""

from __future__ import annotations

import os
from pathlib import Path

from embedded.environment import read_caller_env
from embedded.state import StackState, load_state

_DEFAULT_HOME = "var"


def find_home() -> Path:
    """AVS_HOME of the environment or of `.env`, else ./var; read without validating every other setting."""
    return Path(read_caller_env(Path.cwd()).get("AVS_HOME", _DEFAULT_HOME)).absolute()


def join_running_stack() -> StackState | None:
    """Set the variables of the running stack that the caller has not set; None when no stack runs.

    Call it before any settings are read.
    """
    caller = read_caller_env(Path.cwd())
    state = load_state(find_home())
    if state is not None:
        os.environ.update({name: value for name, value in state.env.items() if name not in caller})
    return state
