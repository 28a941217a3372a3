"""Links in Postgres: one title an id, decisions by persons stand, and what came by a wrong link goes with it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from core.errors import ConflictError, NotFoundError
from storage.database.enrichment_models import LinkState
from storage.database.links import LinkRepository, StoredLink
from storage.database.session import Database
from storage.database.titles import TitleRepository
from tests.integration.enrichment.linking.conftest import AddTitle

Count = Callable[..., int]


def build_link(slug: str, external_id: str | None = "7", **values: object) -> StoredLink:
    """A guess at AniList."""
    fields = {
        "slug": slug,
        "provider": "anilist",
        "state": LinkState.LINKED if external_id else LinkState.NONE,
        "external_id": external_id,
        "method": "titles",
        "probability": 0.997,
        "candidates": ({"external_id": external_id, "probability": 0.997, "why": ["same type"]},)
        if external_id
        else (),
    }
    return StoredLink(**{**fields, **values})  # type: ignore[arg-type]


def test_a_link_is_an_id_of_the_title(links: LinkRepository, add_title: AddTitle, database: Database) -> None:
    """A found link is stored, and the title is found by it."""
    add_title("kumo")
    kept = links.store(build_link("kumo"))
    assert (kept.state, kept.external_id) == (LinkState.LINKED, "7")
    assert TitleRepository(database).resolve_slug("anilist:7") == "kumo"
    stored = links.get("kumo", "anilist")
    assert stored is not None
    assert stored.candidates[0]["why"] == ["same type"]


def test_two_titles_that_want_one_id_are_doubtful(links: LinkRepository, add_title: AddTitle, count: Count) -> None:
    """The id is taken from both, each is told of the other, and the first is merged anew."""
    add_title("kumo")
    add_title("kaze")
    links.store(build_link("kumo"))
    kept = links.store(build_link("kaze"))
    former = links.get("kumo", "anilist")
    assert former is not None
    assert (kept.state, former.state) == (LinkState.DOUBTFUL, LinkState.DOUBTFUL)
    assert "also wanted by kumo" in kept.candidates[0]["why"]
    assert "also wanted by kaze" in former.candidates[0]["why"]
    assert count("title_ids", "provider = 'anilist'") == 0
    assert count("jobs", "kind = 'enrich' AND params ->> 'merge_only' = 'true'") == 1


def test_an_id_of_the_catalogue_is_not_taken(links: LinkRepository, add_title: AddTitle, database: Database) -> None:
    """A title whose catalogue names the id keeps it; the other is doubtful."""
    add_title("kumo", external_ids={"anilist": 7})
    add_title("kaze")
    assert links.store(build_link("kaze")).state is LinkState.DOUBTFUL
    assert TitleRepository(database).resolve_slug("anilist:7") == "kumo"
    assert links.get("kumo", "anilist") is None


def test_a_persons_word_is_never_overwritten(links: LinkRepository, add_title: AddTitle) -> None:
    """Neither a refusal nor a link by a person changes by what is found later."""
    add_title("kumo")
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=True)
    assert links.store(build_link("kumo")).state is LinkState.REFUSED
    links.decide("kumo", "anilist", external_id="8", by="ann", then_ask=True)
    assert links.store(build_link("kumo")).external_id == "8"
    links.drop("kumo", "anilist")
    stored = links.get("kumo", "anilist")
    assert stored is not None
    assert (stored.external_id, stored.decided_by, stored.probability) == ("8", "ann", 1.0)


def test_a_refused_link_takes_what_came_by_it_along(
    links: LinkRepository, add_title: AddTitle, add_claim: Callable[..., None], count: Count
) -> None:
    """Claims and the id of a wrong link are gone, and its parts due; those of other providers stay."""
    add_title("kumo")
    links.store(build_link("kumo"))
    add_claim("kumo", "anilist")
    add_claim("kumo", "kitsu")
    _, job_id = links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=True)
    assert count("claims", "provider = 'anilist'") == count("enrich_parts", "state = 'done'") - 1 == 0
    assert count("enrich_parts", "provider = 'anilist' AND state = 'failed' AND due_at <= now()") == 1
    assert count("claims", "provider = 'kitsu'") == count("enrich_parts", "provider = 'kitsu'") == 1
    assert count("title_ids", "slug = 'kumo'") == 0
    assert count("jobs", "id = :id AND params ->> 'merge_only' = 'true'", id=job_id) == 1


def test_a_confirmed_link_keeps_what_came_by_it(
    links: LinkRepository, add_title: AddTitle, add_claim: Callable[..., None], count: Count
) -> None:
    """A person who says the same id loses nothing, and saying it twice changes nothing."""
    add_title("kumo")
    links.store(build_link("kumo"))
    add_claim("kumo", "anilist")
    link, job_id = links.decide("kumo", "anilist", external_id="7", by="ann", then_ask=True)
    assert link.method == "person"
    assert count("claims") == count("title_ids", "external_id = '7'") == 1
    assert count("jobs", "id = :id AND params -> 'providers' = '[\"anilist\"]'", id=job_id) == 1
    assert links.decide("kumo", "anilist", external_id="7", by="bob", then_ask=True)[1] is None
    assert count("jobs") == 1


def test_a_person_takes_an_id_from_a_guess(links: LinkRepository, add_title: AddTitle, database: Database) -> None:
    """What another title has by guess only goes to the one that a person names; that other waits for a decision."""
    add_title("kumo")
    add_title("kaze")
    links.store(build_link("kumo"))
    links.decide("kaze", "anilist", external_id="7", by="ann", then_ask=False)
    former = links.get("kumo", "anilist")
    assert former is not None
    assert former.state is LinkState.DOUBTFUL
    assert TitleRepository(database).resolve_slug("anilist:7") == "kaze"


@pytest.mark.parametrize("is_catalogue", [True, False])
def test_what_is_certain_is_not_taken(links: LinkRepository, add_title: AddTitle, is_catalogue: bool) -> None:
    """An id that another title has by its catalogue or by a person is a conflict, and nothing changes."""
    add_title("kumo", external_ids={"anilist": 7} if is_catalogue else {})
    add_title("kaze")
    if not is_catalogue:
        links.decide("kumo", "anilist", external_id="7", by="ann", then_ask=False)
    with pytest.raises(ConflictError, match="kumo"):
        links.decide("kaze", "anilist", external_id="7", by="bob", then_ask=False)
    assert links.get("kaze", "anilist") is None


def test_a_decision_can_be_taken_back(links: LinkRepository, add_title: AddTitle, count: Count) -> None:
    """Then nothing is known of the title there; without a decision there is nothing to take back."""
    add_title("kumo")
    assert links.withdraw("kumo", "anilist") is None
    links.decide("kumo", "anilist", external_id="7", by="ann", then_ask=False)
    assert links.withdraw("kumo", "anilist") is not None
    assert links.get("kumo", "anilist") is None
    assert count("title_ids") == 0


def test_the_catalogues_id_survives_a_decision(links: LinkRepository, add_title: AddTitle, count: Count) -> None:
    """A person's other id stands beside the catalogue's, and goes alone when it is taken back."""
    add_title("kumo", external_ids={"anilist": 7})
    links.decide("kumo", "anilist", external_id="8", by="ann", then_ask=False)
    assert count("title_ids", "slug = 'kumo'") == 2
    links.withdraw("kumo", "anilist")
    assert count("title_ids", "slug = 'kumo' AND external_id = '7'") == count("title_ids") == 1


def test_jikan_shares_the_ids_of_myanimelist(links: LinkRepository, add_title: AddTitle, database: Database) -> None:
    """A link at Jikan is an id of MyAnimeList."""
    add_title("kumo")
    links.store(build_link("kumo", provider="jikan"))
    assert TitleRepository(database).resolve_slug("mal:7") == "kumo"


def test_a_title_that_is_gone(links: LinkRepository) -> None:
    """Linking what does not exist is said, and stores nothing."""
    for act in (
        lambda: links.store(build_link("nobody")),
        lambda: links.decide("nobody", "anilist", external_id="1", by="ann", then_ask=False),
        lambda: links.withdraw("nobody", "anilist"),
    ):
        with pytest.raises(NotFoundError):
            act()


def test_the_list_shows_the_most_probable_first(links: LinkRepository, add_title: AddTitle) -> None:
    """Links of one state come by pages, by provider if that is asked for, with what is known of the title."""
    for number in range(4):
        add_title(f"kumo-{number}", type="TV", year=2010 + number)
        doubtful = build_link(f"kumo-{number}", None, state=LinkState.DOUBTFUL, probability=number / 10)
        links.store(doubtful)
    found = links.list_by_state(LinkState.DOUBTFUL, limit=2, offset=1)
    assert [(one.link.slug, one.year, one.type) for one in found] == [("kumo-2", 2012, "TV"), ("kumo-1", 2011, "TV")]
    assert links.list_by_state(LinkState.DOUBTFUL, provider="kitsu") == []
    assert links.count_by_state() == {"anilist": {"doubtful": 4}}


def test_many_writers_leave_one_holder_or_none(links: LinkRepository, add_title: AddTitle, count: Count) -> None:
    """Titles that are linked to one id at the same moment never have it together."""
    slugs = [f"kumo-{number}" for number in range(6)]
    for slug in slugs:
        add_title(slug)
    failed: list[Exception] = []

    def store(slug: str) -> None:
        try:
            links.store(build_link(slug))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=store, args=(slug,)) for slug in slugs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    linked = count("provider_links", "state = 'linked'")
    assert linked <= 1
    assert count("title_ids", "provider = 'anilist' AND external_id = '7'") == linked
