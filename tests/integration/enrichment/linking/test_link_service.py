"""Where titles are: what is known first, then the tables, then the provider's own titles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from core.errors import NotFoundError
from enrichment.linking.dump import DumpSearch, TitlesMissingError
from enrichment.linking.scoring import load_model
from enrichment.linking.service import LinkService
from enrichment.providers.base import Candidate, ProviderUnavailableError
from storage.database.enrichment_models import LinkState
from storage.database.id_mappings import IdMappingRepository
from storage.database.links import LinkRepository
from storage.database.provider_titles import ProviderTitle, ProviderTitleRepository
from storage.database.session import Database
from tests.integration.enrichment.linking.conftest import AddTitle

FACTS = {
    "title": "Kumo no Uta: Hajimari",
    "title_japanese": "雲の歌 はじまり",
    "type": "TV",
    "year": 2012,
    "episodes": 12,
}
SAME = Candidate(
    external_id="9", titles=("Kumo no Uta: Hajimari", "雲の歌 はじまり"), type="TV", year=2012, episodes=12
)


@pytest.fixture
def service(database: Database) -> LinkService:
    """With the parameters that come with us."""
    return LinkService.build(database)


@pytest.fixture
def mappings(database: Database) -> IdMappingRepository:
    """The tables of ids."""
    return IdMappingRepository(database)


def refuse_search(title: str) -> Sequence[Candidate]:
    """A provider that must not be asked."""
    raise AssertionError(f"asked for {title}")


def test_the_catalogues_id_needs_no_search(service: LinkService, add_title: AddTitle) -> None:
    """An id that the catalogue names is the link, and nothing is stored."""
    document = add_title("kumo", external_ids={"anilist": 7})
    link = service.find("kumo", document, "anilist", refuse_search)
    assert (link.state, link.external_id, link.method) == (LinkState.LINKED, "7", "catalogue")


def test_tables_come_before_search(
    service: LinkService, mappings: IdMappingRepository, links: LinkRepository, add_title: AddTitle
) -> None:
    """A table that knows the title by another id links it, and says so."""
    document = add_title("kumo", external_ids={"mal": 1})
    mappings.replace("arm", [[("mal", "1"), ("anilist", "7")]])
    link = service.find("kumo", document, "anilist", refuse_search)
    assert (link.state, link.external_id, link.method) == (LinkState.LINKED, "7", "mapping")
    stored = links.get("kumo", "anilist")
    assert stored is not None
    assert stored.candidates[0]["why"] == ["named by arm"]


def test_tables_that_contradict_each_other_leave_doubt(
    service: LinkService, mappings: IdMappingRepository, links: LinkRepository, add_title: AddTitle
) -> None:
    """Then the titles are looked at for the person who decides, and not even the same title links it."""
    document = add_title("kumo", external_ids={"mal": 1}, **FACTS)
    mappings.replace("arm", [[("mal", "1"), ("anilist", "9")]])
    mappings.replace("bangumi-data", [[("mal", "1"), ("anilist", "8")]])
    assert service.find("kumo", document, "anilist", lambda _: [SAME]).state is LinkState.DOUBTFUL
    stored = links.get("kumo", "anilist")
    assert stored is not None
    assert {one["external_id"] for one in stored.candidates} == {"8", "9"}
    assert stored.probability > 0.9


def test_titles_link_where_no_table_knows(service: LinkService, links: LinkRepository, add_title: AddTitle) -> None:
    """A candidate that is surely the title is linked; the next time nobody is asked."""
    document = add_title("kumo", **FACTS)
    link = service.find("kumo", document, "anilist", lambda _: [SAME])
    assert (link.state, link.external_id, link.method) == (LinkState.LINKED, "9", "titles")
    assert service.find("kumo", document, "anilist", refuse_search) == link


def test_doubt_is_a_state(links: LinkRepository, mappings: IdMappingRepository, add_title: AddTitle) -> None:
    """A candidate that may be the title waits with its reasons; what is nothing like it is none."""
    model = load_model()
    service = LinkService(links, mappings, replace(model, known=replace(model.known, accept=1.0)))
    document = add_title("kumo", **FACTS)
    near = Candidate(external_id="9", titles=("Kumo no Uta: Hajimari",), type="TV", year=2013)
    assert service.find("kumo", document, "anilist", lambda _: [near]).state is LinkState.DOUBTFUL
    stored = links.get("kumo", "anilist")
    assert stored is not None
    assert "a year apart" in stored.candidates[0]["why"]
    other = Candidate(external_id="9", titles=("Kaze no Tani",), type="MOVIE", year=1984)
    assert service.find("kumo", document, "anilist", lambda _: [other]).state is LinkState.NONE
    assert service.find("kumo", document, "kitsu", None).state is LinkState.NONE


def test_another_providers_word_counts_as_a_table(
    service: LinkService, add_title: AddTitle, add_claim: Callable[..., None]
) -> None:
    """An id that another provider says now links the title; two that want the same id by that are doubtful for good."""
    document = add_title("kumo", **FACTS)
    add_claim("kumo", "kitsu", {"external_ids": {"anilist": 9}})
    link = service.find("kumo", document, "anilist", refuse_search)
    assert (link.external_id, link.method) == ("9", "mapping")
    add_title("kaze")
    add_claim("kaze", "kitsu", {"external_ids": {"anilist": 9}})
    for slug in ("kaze", "kumo", "kaze"):
        assert service.find(slug, {"title": slug}, "anilist", None).state is LinkState.DOUBTFUL


def test_a_word_that_was_taken_back_does_not_count(service: LinkService, add_title: AddTitle) -> None:
    """An id that stands in the document only links nothing: no catalogue, person or claim says it any more."""
    said = {**add_title("kumo", **FACTS), "external_ids": {"anilist": 9}}
    assert service.find("kumo", said, "anilist", None).state is LinkState.NONE


def test_words_that_contradict_each_other_leave_doubt(
    service: LinkService, add_title: AddTitle, add_claim: Callable[..., None]
) -> None:
    """Two providers that name two ids prove neither."""
    document = add_title("kumo", **FACTS)
    for provider, named in (("kitsu", 9), ("jikan", 8)):
        add_claim("kumo", provider, {"external_ids": {"anilist": named}})
    assert service.find("kumo", document, "anilist", None).state is LinkState.DOUBTFUL


def test_a_persons_link_is_used(service: LinkService, links: LinkRepository, add_title: AddTitle) -> None:
    """What a person decided is the answer, against the catalogue, too."""
    document = add_title("kumo", external_ids={"anilist": 7})
    links.decide("kumo", "anilist", external_id="8", by="ann", then_ask=False)
    assert service.find("kumo", document, "anilist", refuse_search).external_id == "8"
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=False)
    link = service.find("kumo", document, "anilist", refuse_search)
    assert (link.state, link.external_id) == (LinkState.REFUSED, None)


def test_a_persons_link_proves_others(
    service: LinkService, links: LinkRepository, mappings: IdMappingRepository, add_title: AddTitle
) -> None:
    """Tables are asked by the id that a person named, and not by one that was guessed or refused."""
    mappings.replace("arm", [[("mal", "1"), ("anilist", "7")], [("mal", "2"), ("anilist", "8")]])
    document = add_title("kumo", external_ids={"mal": 2})
    links.decide("kumo", "jikan", external_id="1", by="ann", then_ask=False)
    assert service.find("kumo", document, "anilist", None).external_id == "7"
    other = add_title("kaze", external_ids={"mal": 2, "kitsu": 5})
    links.decide("kaze", "jikan", external_id=None, by="ann", then_ask=False)
    assert service.find("kaze", other, "anilist", None).state is LinkState.NONE


def test_what_the_catalogue_names_later_replaces_a_guess(
    service: LinkService, links: LinkRepository, add_title: AddTitle, add_claim: Callable[..., None],
    count: Callable[..., int], database: Database,
) -> None:  # fmt: skip
    """A guess that the catalogue contradicts goes, with what came by it."""
    document = add_title("kumo", **FACTS)
    service.find("kumo", document, "anilist", lambda _: [SAME])
    add_claim("kumo", "anilist")
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE titles SET base = document || '{\"external_ids\": {\"anilist\": 7}}' WHERE slug = 'kumo'"
        )
    assert service.find("kumo", document, "anilist", refuse_search).external_id == "7"
    assert links.get("kumo", "anilist") is None
    assert count("claims") == count("title_ids") == 0


def test_a_search_that_fails_stores_nothing(service: LinkService, links: LinkRepository, add_title: AddTitle) -> None:
    """A provider that is away is raised, and the title is looked for again the next time."""
    document = add_title("kumo", **FACTS)

    def search(title: str) -> Sequence[Candidate]:
        raise ProviderUnavailableError("anilist", "away", retry_after_s=1.0)

    with pytest.raises(ProviderUnavailableError):
        service.find("kumo", document, "anilist", search)
    assert links.get("kumo", "anilist") is None


def test_a_title_that_is_gone_meanwhile(service: LinkService) -> None:
    """Nothing is stored for it, and the caller is told."""
    with pytest.raises(NotFoundError):
        service.find("kumo", FACTS, "anilist", lambda _: [SAME])


def test_a_dump_is_searched(service: LinkService, add_title: AddTitle, database: Database) -> None:
    """Titles of a dump are found in memory, and anew when the dump was replaced; the record makes them certain."""
    titles = ProviderTitleRepository(database)
    search = DumpSearch(titles, "anidb", check_s=0.0)
    with pytest.raises(TitlesMissingError, match="not fetched yet"):
        search("Kumo no Uta: Hajimari")
    assert DumpSearch(titles, "anidb", is_awaited=False)("Kumo no Uta: Hajimari") == []
    rows = [("9", "main", "x-jat", "Kumo no Uta: Hajimari"), ("9", "official", "ja", "雲の歌 はじまり"),
            ("10", "main", "x-jat", "Kaze no Tani")]  # fmt: skip
    titles.replace("anidb", (ProviderTitle(*row) for row in rows))
    assert [one.external_id for one in search("雲の歌 はじまり")][:1] == ["9"]
    document = add_title("kumo", **FACTS)
    link = service.find("kumo", document, "anidb", search, verify={"9": SAME}.get)
    assert (link.state, link.external_id) == (LinkState.LINKED, "9")
