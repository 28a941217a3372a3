"""Typed client of the Anime Vector Service. Needs httpx and pydantic, and nothing else of this repository.

from client import Client

with Client("http://localhost:8002") as client:
    print(client.search("a notebook that kills").results[0].payload["title"])
"""

from client.admin import Point
from client.client import Client
from client.headers import AnswerInfo, RateLimit
from client.options import (
    ImageOptions,
    MultimodalOptions,
    SearchOptions,
    SearchQuery,
    SimilarBatchOptions,
    SimilarOptions,
    Sort,
    VisualOptions,
)
from client.pictures import PictureGiven
from client.problems import (
    ApiError,
    AuthenticationError,
    ClientError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    Problem,
    RateLimitedError,
    TransportError,
    UnavailableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from client.retrying import RetryPolicy
from client.streaming import SearchStream
from client.values.admin import (
    AdminHealth,
    AdminStats,
    CollectionInfo,
    Exclusion,
    Generation,
    Recipe,
    Snapshot,
    Swap,
)
from client.values.faceting import Facets, FacetValue, Suggestion
from client.values.jobs import DeadLetter, Job, JobProgress
from client.values.linking import Link, LinkCandidate, LinkDecision, LinkList, LinkWithdrawn, ListedLink
from client.values.pictures import Indexed, RemovedPicture
from client.values.provenance import FieldReasons, Override, OverrideChange, Provenance, Weighed
from client.values.providers import ProviderHealth, ProviderHealthList, ProviderLimit, ProviderRequests
from client.values.search import QueryInfo, SearchAnswer, SearchResult, StreamSummary, Title
from client.values.status import Check, Health, Stats

__all__ = [
    "AdminHealth",
    "AdminStats",
    "AnswerInfo",
    "ApiError",
    "AuthenticationError",
    "Check",
    "Client",
    "ClientError",
    "CollectionInfo",
    "ConflictError",
    "DeadLetter",
    "Exclusion",
    "FacetValue",
    "Facets",
    "FieldReasons",
    "Generation",
    "Health",
    "ImageOptions",
    "Indexed",
    "InvalidRequestError",
    "Job",
    "JobProgress",
    "Link",
    "LinkCandidate",
    "LinkDecision",
    "LinkList",
    "LinkWithdrawn",
    "ListedLink",
    "MultimodalOptions",
    "NotFoundError",
    "Override",
    "OverrideChange",
    "PermissionDeniedError",
    "PictureGiven",
    "Point",
    "Problem",
    "Provenance",
    "ProviderHealth",
    "ProviderHealthList",
    "ProviderLimit",
    "ProviderRequests",
    "QueryInfo",
    "RateLimit",
    "RateLimitedError",
    "Recipe",
    "RemovedPicture",
    "RetryPolicy",
    "SearchAnswer",
    "SearchOptions",
    "SearchQuery",
    "SearchResult",
    "SearchStream",
    "SimilarBatchOptions",
    "SimilarOptions",
    "Snapshot",
    "Sort",
    "Stats",
    "StreamSummary",
    "Suggestion",
    "Swap",
    "Title",
    "TransportError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "VisualOptions",
    "WaitTimeoutError",
    "Weighed",
]
