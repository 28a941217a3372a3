"""How gunicorn serves the API: threads, since a request mostly waits, and one process by default."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

from api.refusals import install
from core.settings import get_settings

_settings = get_settings()
_host = _settings.vector_service_host

bind = f"{f'[{_host}]' if ':' in _host else _host}:{_settings.vector_service_port}"
worker_class = "gthread"
# More processes mean more dispatchers and so smaller batches: first more threads, then more machines.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = _settings.web_threads
# The dispatchers start at the first search, in the process that serves it.
preload_app = False
keepalive = 30
timeout = 60
graceful_timeout = 10
# One socket in the home directory would be shared by all instances.
control_socket_disable = True
# The most that gunicorn allows: names in Japanese are nine characters a letter in an address.
limit_request_line = 8_190
accesslog = None
errorlog = "-"
loglevel = _settings.log_level.lower()


install()

# A page of results is thousands of young objects that die together by reference count. At the default (700) the
# collector walks them again and again: it took more time than parsing them.
_GC_THRESHOLD = 100_000


def post_worker_init(worker: Any) -> None:
    """Begin the chores. Keep the garbage collector away from what lives as long as the process, and from answers."""
    if (wsgi := sys.modules.get("api.wsgi")) is not None:
        wsgi.services.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)


def worker_exit(server: Any, worker: Any) -> None:
    """Let waiting requests go and close the connections."""
    if (wsgi := sys.modules.get("api.wsgi")) is not None:
        wsgi.services.close()
