"""Typed client of the Anime Vector Service. Needs httpx and pydantic, and nothing else of this repository.

from client import Client

with Client("http://localhost:8002") as client:
    print(client.search("a notebook that kills").results[0].payload["title"])
"""

from client.client import Client
from client.headers import AnswerInfo, RateLimit
from client.options import SearchOptions, SearchQuery, SimilarBatchOptions, SimilarOptions, Sort
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
from client.values.faceting import Facets, FacetValue, Suggestion
from client.values.jobs import DeadLetter, Job, JobProgress
from client.values.search import QueryInfo, SearchAnswer, SearchResult, StreamSummary, Title
from client.values.status import Check, Health, Stats

__all__ = [
    "AnswerInfo",
    "ApiError",
    "AuthenticationError",
    "Check",
    "Client",
    "ClientError",
    "ConflictError",
    "DeadLetter",
    "FacetValue",
    "Facets",
    "Health",
    "InvalidRequestError",
    "Job",
    "JobProgress",
    "NotFoundError",
    "PermissionDeniedError",
    "Problem",
    "QueryInfo",
    "RateLimit",
    "RateLimitedError",
    "RetryPolicy",
    "SearchAnswer",
    "SearchOptions",
    "SearchQuery",
    "SearchResult",
    "SearchStream",
    "SimilarBatchOptions",
    "SimilarOptions",
    "Sort",
    "Stats",
    "StreamSummary",
    "Suggestion",
    "Title",
    "TransportError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
]
