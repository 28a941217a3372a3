"""Every request passes here: counted, measured against the limit, answered by its provider, changed by its mood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.picture_host.replies import Reply
from tests.provider_stands.anidb import TITLES_PATH, AniDBStand
from tests.provider_stands.anilist import AniListStand
from tests.provider_stands.animeplanet import AnimePlanetStand
from tests.provider_stands.animeschedule import AnimeScheduleStand
from tests.provider_stands.jikan import JikanStand
from tests.provider_stands.kitsu import KitsuStand
from tests.provider_stands.limits import Limiter, build_refusal
from tests.provider_stands.moods import HOUR_S, MOODS, Scene
from tests.provider_stands.records import Asked, Records, Seen
from tests.provider_stands.titles import StandTitle

ANYTHING = ""
# What a provider sends besides, whether or not a limit is kept, comes from `Limiter.build_headers`.
_NORMAL = "normal"
# Rules for robots are for all to read, and AniDB's dump comes from another host than its API.
_UNLIMITED = frozenset({"/robots.txt", TITLES_PATH})
_STANDS: Mapping[str, Callable[[Sequence[StandTitle]], Callable[[Asked], Reply]]] = {
    "jikan": lambda titles: JikanStand(titles).answer,
    "anilist": lambda titles: AniListStand(titles).answer,
    "kitsu": lambda titles: KitsuStand(titles).answer,
    "anidb": lambda titles: AniDBStand(titles).answer,
    "animeschedule": lambda titles: AnimeScheduleStand(titles).answer,
    "anime-planet": lambda titles: AnimePlanetStand(titles).answer,
}


class Desk:
    """Answers on the servers' loop only; nothing here is locked."""

    def __init__(
        self,
        titles: Sequence[StandTitle],
        records: Records,
        *,
        factor: float,
        latency_s: float,
        slack_s: float | None,
        hour_s: float | None,
    ) -> None:
        self._records = records
        self._hour_s = HOUR_S / factor if hour_s is None else hour_s
        self._latency_s = latency_s
        self._keeps_limits = slack_s is not None
        self._limiters = {name: Limiter(name, factor=factor, slack_s=slack_s or 0.0) for name in _STANDS}
        self._answer = {name: build(titles) for name, build in _STANDS.items()}
        self._moods: dict[str, dict[str, str]] = {name: {} for name in _STANDS}

    def set_mood(self, provider: str, mood: str, match: str) -> None:
        """See `ProviderStands.set_mood`. Raises KeyError for a mood or a provider that is none."""
        if mood == _NORMAL:
            self._moods[provider].pop(match, None)
        else:
            self._moods[provider][match] = MOODS[mood].name

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        limiter = self._limiters[asked.provider]
        mood = self._find_mood(asked)
        wait_s = None if asked.path in _UNLIMITED else limiter.take(asked.at)
        over = wait_s is not None and self._keeps_limits
        if over and wait_s is not None:
            reply = build_refusal(limiter, asked.at, wait_s)
        else:
            reply = self._answer_in(mood, asked, limiter)
        conditional = bool({"if-none-match", "if-modified-since"} & asked.headers.keys())
        seen = Seen(
            provider=asked.provider,
            key=asked.key,
            at=asked.at,
            status=reply.status,
            over=over,
            conditional=conditional,
            mood=mood,
            is_limited=asked.path not in _UNLIMITED,
        )
        self._records.add(seen)
        return replace(reply, wait_s=reply.wait_s + self._latency_s)

    def _answer_in(self, mood: str, asked: Asked, limiter: Limiter) -> Reply:
        good = self._answer[asked.provider](asked)
        good = replace(good, headers={**good.headers, **limiter.build_headers(asked.at)})
        if mood == _NORMAL:
            return good
        return MOODS[mood].change(Scene(asked=asked, good=good, hour_s=self._hour_s))

    def _find_mood(self, asked: Asked) -> str:
        moods = self._moods[asked.provider]
        body = asked.body.decode("utf-8", "replace")
        # The most special one counts.
        for match in sorted(moods, key=len, reverse=True):
            if match in asked.target or match in body:
                return moods[match]
        return _NORMAL
