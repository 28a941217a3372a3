"""Points a command to the embedded stack that runs in AVS_HOME, so that nobody has to export its addresses."""

from __future__ import annotations

import os
from pathlib import Path

from embedded.addresses import SERVER_VARIABLES
from embedded.environment import read_caller_env
from embedded.state import StackState, load_state

_DEFAULT_HOME = "var"


def find_home() -> Path:
    """AVS_HOME of the environment or of `.env`, else ./var; read without validating every other setting."""
    return Path(read_caller_env(Path.cwd()).get("AVS_HOME", _DEFAULT_HOME)).absolute()


def join_running_stack() -> StackState | None:
    """Point this process to the stack that runs in AVS_HOME; None, and nothing set, when none runs.

    The four server addresses are the stack's even where the caller has set others, as in the stack's own processes: a
    command that wrote into the caller's database while its workers read another would do harm and never end. All else
    that the caller has set is kept. Call it before any settings are read.
    """
    caller = read_caller_env(Path.cwd())
    state = load_state(find_home())
    if state is not None:
        os.environ.update(
            {name: value for name, value in state.env.items() if name in SERVER_VARIABLES or name not in caller}
        )
    return state
