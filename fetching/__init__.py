"""Fetching over HTTP from hosts that are not ours.

Invariant: no connection is made to an address that the guard has not checked, and nothing that a host sends can take
more time or memory than the limits say. The only package that asks other people's servers for anything.
"""

from fetching.errors import ErrorPage, FetchError, FetchFailedError, FetchReason, FetchRefusedError
from fetching.fetcher import Fetched, Fetcher, NotModified, build_fetcher
from fetching.options import FetchOptions, build_options

__all__ = [
    "ErrorPage",
    "FetchError",
    "FetchFailedError",
    "FetchOptions",
    "FetchReason",
    "FetchRefusedError",
    "Fetched",
    "Fetcher",
    "NotModified",
    "build_fetcher",
    "build_options",
]
