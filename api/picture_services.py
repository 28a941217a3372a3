"""What the routes with pictures call: put together once, over one budget for all that is decoded in this process."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from api.administration import Administration
from api.instant_index import InstantIndex
from api.media_shelf import MediaShelf
from api.picture_input import FETCHES, PictureReader
from core.pictures import DecodeBudget
from core.settings import Settings
from fetching import Fetcher, build_options
from messaging.hints import HintSender
from storage.database.media import MediaRepository
from storage.database.session import Database
from storage.media import MediaStore, build_media_store

# Somebody waits: a host that does not answer at once is given up, and a few of its pictures at a time are enough.
_CONNECT_S, _BY_HOST = 3.0, 4
# A decoder takes a core. Who has waited for a place for so long is sent away, so that no threads pile up.
_DECODERS_MAX, _DECODE_WAIT_S = 8, 2.0


@dataclass(frozen=True)
class PictureServices:
    """The pictures of requests and of the media store."""

    reader: PictureReader
    shelf: MediaShelf
    instant: InstantIndex
    store: MediaStore
    fetcher: Fetcher

    def close(self) -> None:
        """Close the connections to other people's hosts."""
        self.fetcher.close()


def build_picture_services(
    settings: Settings, lookups: Database, jobs: Database, *, hints: HintSender, admin: Administration
) -> PictureServices:
    """Connects to nothing, and makes no folder. `lookups` waits a short time for its answers, `jobs` longer."""
    store = build_media_store(settings)
    places = min(os.cpu_count() or 1, _DECODERS_MAX)
    budget = DecodeBudget.of(max_pixels=settings.picture_max_pixels, places=places, wait_s=_DECODE_WAIT_S)
    options = replace(
        build_options(settings),
        connections=FETCHES,
        connections_by_host=_BY_HOST,
        connect_timeout_s=_CONNECT_S,
        # One caller's bad addresses must not keep a host from the next one: nothing here is repeated by itself.
        breaker_threshold=0,
        pause_hosts=False,
        slot_wait_s=_CONNECT_S,
    )
    fetcher = Fetcher(options)
    reader = PictureReader(settings, fetcher=fetcher, budget=budget)
    return PictureServices(
        reader=reader,
        instant=InstantIndex(settings, jobs, reader=reader, store=store, hints=hints, admin=admin),
        shelf=MediaShelf(settings, media=MediaRepository(lookups), store=store, budget=budget),
        store=store,
        fetcher=fetcher,
    )
