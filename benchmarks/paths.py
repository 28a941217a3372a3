"""Where the benchmark's web server answers; shared by the server and by those who load it."""

from __future__ import annotations

from typing import Final

SEARCH_PATH: Final = "/api/v1/search"
HELLO_PATH: Final = "/bench-hello"
ONE_TASK_PATH: Final = "/bench-one-task"
BATCH_PATH = "/api/v1/search/batch"
SIMILAR_PATH = "/api/v1/similarity/anime"
IMAGE_PATH: Final = "/api/v1/search/image"
MULTIMODAL_PATH: Final = "/api/v1/search/multimodal"
