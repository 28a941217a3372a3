"""What every test may count on: no setting of the developer's shell or `.env` reaches it, and no model hub is asked."""

from __future__ import annotations

import os

# The servers of a test come from its fixtures, never from the shell that started pytest.
for _name in ("DATABASE_URL", "REDIS_URL", "REDIS_CACHE_URL", "QDRANT_URL", "QDRANT_API_KEY", "AVS_HOME"):
    os.environ.pop(_name, None)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
