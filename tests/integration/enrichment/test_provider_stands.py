"""The stand-ins answer as the providers do: our parsers read the catalogue's facts out of them, limits are measured."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from core.enrichment import ID_SPACES, EnrichStage
from core.settings import Settings
from enrichment.providers.base import Answer, Provider, Request
from enrichment.providers.registry import build_providers
from tests.provider_stands import MOODS, ProviderStands, StandTitle, load_titles
from tests.provider_stands.records import count_most_in_window
from tests.provider_stands.server import PROVIDERS

_SHARED = Path(os.environ.get("AVS_SHARED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
TITLES = load_titles(300)


@pytest.fixture(scope="module")
def stands() -> Iterator[ProviderStands]:
    """No limit is kept: these tests are about answers."""
    with ProviderStands(TITLES) as running:
        yield running


@pytest.fixture(scope="module")
def providers(stands: ProviderStands) -> Mapping[str, Provider]:
    """All six, pointed at the stand-ins."""
    given: dict[str, Any] = {name.lower(): value for name, value in stands.env.items()}
    return build_providers(Settings(_env_file=None, **given))


def ask(stands: ProviderStands, name: str, request: Request) -> Answer:
    """One answer, without any manners."""
    headers = {**request.headers, "Accept": request.accept}
    if name == "animeschedule":
        headers["Authorization"] = "Bearer stand-token"
    url, method = stands.url(name) + request.path, "POST" if request.body else "GET"
    reply = requests.request(method, url, json=request.body, headers=headers, timeout=10)
    assert reply.status_code == 200 or reply.status_code in request.absent, reply.text[:300]
    media_type = reply.headers["Content-Type"].partition(";")[0]
    now = datetime.now(UTC)
    return Answer(key=request.key, status=reply.status_code, body=reply.content, media_type=media_type, fetched_at=now)


def read(stands: ProviderStands, provider: Provider, stage: EnrichStage, external_id: str) -> Mapping[str, Any]:
    """All facts of a stage, asked for page by page; no value may be refused."""
    name, answers = provider.info.name, dict[str, Answer]()
    wanted = provider.plan(stage, external_id)
    while wanted:
        answers.update({request.key: ask(stands, name, request) for request in wanted})
        parsed = provider.parse(stage, external_id, answers)
        wanted = parsed.more
    assert parsed.faults == ()
    return parsed.facts


def choose_titles() -> list[StandTitle]:
    """One with hundreds of episodes, a film, one that goes on, and some others."""
    film = next(title for title in TITLES if title.facts["type"] == "MOVIE")
    ongoing = next(title for title in TITLES if title.facts["status"] == "ONGOING")
    return [TITLES[0], film, ongoing, TITLES[50], TITLES[100]]


@pytest.mark.parametrize("name", PROVIDERS)
def test_parsers_read_the_facts_out_of_every_provider(
    stands: ProviderStands, providers: Mapping[str, Provider], name: str
) -> None:
    """What each provider says of type, dates, episodes and people is what the stand-in's title says."""
    provider = providers[name]
    for title in choose_titles():
        external_id = title.ids[ID_SPACES[name]]
        facts = dict[str, Any]()
        for stage in sorted(provider.info.stages):
            facts |= read(stands, provider, stage, external_id)
        known = title.facts
        if name != "anime-planet":
            assert facts["title"] == title.title
            assert facts["title_japanese"] == known["title_japanese"]
        assert facts["type"] == known["type"]
        assert facts["aired"]["start"] == str(title.first_day)
        assert facts.get("episodes") == (known.get("episodes") or None)
        assert abs(facts["score"] - known["score"]) <= 0.5
        if EnrichStage.CHARACTERS in provider.info.stages:
            assert len(facts["characters"]) == len(title.characters)
        if EnrichStage.STAFF in provider.info.stages:
            assert {role.person.name for role in title.staff[:1]} <= {one["name"] for one in facts["staff"]}


@pytest.mark.parametrize("name", ["jikan", "anilist", "kitsu", "animeschedule", "anime-planet"])
def test_searches_find_titles_by_name(stands: ProviderStands, providers: Mapping[str, Provider], name: str) -> None:
    """A search by the main title has the title itself among its candidates."""
    provider = providers[name]
    for title in choose_titles():
        request = provider.plan_search(title.title)
        assert request is not None
        found = provider.parse_search(ask(stands, name, request))
        assert title.ids[ID_SPACES[name]] in {candidate.external_id for candidate in found}


def test_a_title_that_is_not_there_is_an_absence(stands: ProviderStands, providers: Mapping[str, Provider]) -> None:
    """Each provider says in its own way that it has no such title, and the parser understands it."""
    for name, provider in providers.items():
        (request, *_) = provider.plan(EnrichStage.METADATA, "999999999")
        answer = ask(stands, name, request)
        assert provider.parse(EnrichStage.METADATA, "999999999", {request.key: answer}).facts == {}


def test_anilist_refuses_a_query_that_the_schema_does_not_have(stands: ProviderStands) -> None:
    """A field of ours that AniList does not know would be found here, and not in production."""
    reply = requests.post(stands.url("anilist"), json={"query": "{Media(id: 1) {nothing}}"}, timeout=10)
    assert reply.status_code == 400 and "Cannot query field" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize(("name", "recorded", "path"), [
    ("jikan", "jikan/SandroHc+reactive-jikan/src/test/resources/responses/anime/getAnimeById.json", "/anime/{mal}"),
    ("jikan", "jikan/SandroHc+reactive-jikan/src/test/resources/responses/anime/getAnimeEpisodes.json",
     "/anime/{mal}/episodes"),
    ("jikan", "jikan/SandroHc+reactive-jikan/src/test/resources/responses/anime/getAnimeCharacters.json",
     "/anime/{mal}/characters"),
    ("jikan", "jikan/SandroHc+reactive-jikan/src/test/resources/responses/anime/getAnimeStaff.json",
     "/anime/{mal}/staff"),
    ("jikan", "jikan/SandroHc+reactive-jikan/src/test/resources/responses/anime/getAnimeStatistics.json",
     "/anime/{mal}/statistics"),
    ("kitsu", "kitsu/manami-project+modb-app/KitsuAnimeConverterTest/episodes/null.json",
     "/anime?filter[id]={kitsu}&include=categories"),
])  # fmt: skip
def test_shapes_are_those_of_the_recordings(stands: ProviderStands, name: str, recorded: str, path: str) -> None:
    """Where the recordings are at hand, no field that they have is missing here."""
    file = _SHARED / "providers" / recorded
    if not file.exists():
        # The shapes were compared where they are; without them there is nothing to compare with.
        return
    theirs = json.loads(file.read_text(encoding="utf-8"))
    ours = requests.get(stands.url(name) + path.format(**TITLES[50].ids), timeout=10).json()
    assert list_paths(theirs["data"]) - list_paths(ours["data"]) <= _LEFT_OUT


# What the stand-ins never have: pictures of many sizes, and relationships that nothing of ours follows.
_LEFT_OUT = {
    *(f"trailer.images.{size}_image_url" for size in ("small", "medium", "large", "maximum")),
    *(f"attributes.posterImage.meta{rest}" for rest in ("", ".dimensions")),
    *(f"relationships.{name}" for name in ("installments", "reviews", "quotes", "productions")),
}


def list_paths(value: Any) -> set[str]:
    """Names of fields with those above them, of the first of each list; what hangs below numbers is left out."""
    if isinstance(value, list):
        return list_paths(value[0]) if value else set()
    if not isinstance(value, dict):
        return set()
    paths = set()
    for name, inner in value.items():
        # Pictures, ratings by value and links have names that say nothing.
        if name.isdigit() or name in ("webp", "links", "meta", "coverImage"):
            continue
        below = () if name in ("posterImage", "ratingFrequencies", "titles", "relationships") else list_paths(inner)
        paths |= {name, *(f"{name}.{one}" for one in below)}
    return paths


def test_the_dump_names_every_title(stands: ProviderStands) -> None:
    """AniDB's daily file is packed XML with all titles, and knows 304."""
    url = stands.env["ANIDB_TITLES_URL"]
    whole = requests.get(url, timeout=10)
    assert gzip.decompress(whole.content).count(b"<anime aid=") == len(TITLES)
    again = requests.get(url, headers={"If-None-Match": whole.headers["ETag"]}, timeout=10)
    assert again.status_code == 304


def test_limits_are_kept_to_the_letter() -> None:
    """The request after the last allowed one is refused in the provider's own words, and counted."""
    with ProviderStands(TITLES[:5], slack_s=0.0) as stands:
        query = {"query": "{Media(id: 1) {id}}"}
        answers = [requests.post(stands.url("anilist"), json=query, timeout=10) for _ in range(31)]
        banned = [requests.get(stands.url("anidb") + "/httpapi", timeout=10).text for _ in range(2)]
        most = stands.measure()["anilist"][0]["most"]
        over = {name: stands.count_over(name) for name in ("anilist", "anidb")}
    assert [answer.status_code for answer in answers].count(429) == 1
    assert answers[0].headers["X-RateLimit-Remaining"] == "29"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert abs(int(answers[-1].headers["X-RateLimit-Reset"]) - time.time()) < 70
    assert "banned" in banned[1] and over == {"anilist": 1, "anidb": 1} and most == 31


def test_windows_are_counted_at_their_worst() -> None:
    """The greatest number in any window, wherever it begins; a window does not hold its own end."""
    assert count_most_in_window([0.0, 0.9, 1.0, 1.1, 3.0], 1.0) == 3
    assert count_most_in_window([0.0, 1.0, 2.0], 1.0) == 1
    assert count_most_in_window([], 1.0) == 0


def test_moods_concern_what_they_name_and_end() -> None:
    """A mood for one title leaves the others alone; a refused provider listens again afterwards."""
    with ProviderStands(TITLES[:5]) as stands:
        first, second = (f"/anime/{title.ids['mal']}/full" for title in TITLES[:2])
        stands.set_mood("jikan", "failing", match=first)
        assert requests.get(stands.url("jikan") + first, timeout=10).status_code == 500
        assert requests.get(stands.url("jikan") + second, timeout=10).status_code == 200
        stands.set_mood("jikan", "refused")
        with pytest.raises(requests.ConnectionError):
            requests.get(stands.url("jikan") + second, timeout=10)
        stands.set_mood("jikan", "normal")
        assert requests.get(stands.url("jikan") + second, timeout=10).status_code == 200
        with pytest.raises(KeyError):
            stands.set_mood("jikan", "cheerful")
        assert {one.mood for one in stands.list_seen("jikan")} == {"failing", "normal"}


def test_every_mood_changes_the_answer(stands: ProviderStands) -> None:
    """No mood is the good answer under another name."""
    path = f"/anime/{TITLES[10].ids['mal']}/full"
    good = requests.get(stands.url("jikan") + path, timeout=10)
    for name in MOODS.keys() - {"normal", "refused", "slow", "silent", "cut", "inflated", "huge"}:
        stands.set_mood("jikan", name)
        answer = requests.get(stands.url("jikan") + path, timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.content) != (good.status_code, good.content), name
    stands.set_mood("jikan", "normal")
