"""Process wiring: `celery -A worker` finds its app here.

Invariant: the only place where services are put together for workers. Importing it loads no model.
"""

from worker.app import app

__all__ = ["app"]
