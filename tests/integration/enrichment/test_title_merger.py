"""Claims into titles on a real database: imports, sources and persons in every order, and nothing written twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import NotFoundError
from core.recipe import EmbeddingRecipe, RecipeSet
from enrichment.merging import MergeModel
from enrichment.titles import ModelKeeper, TitleMerger
from enrichment.titles.sources import Synthesis
from indexing.importing import Importer
from indexing.sources.files import RawRecord
from storage.database.bases import BaseRepository
from storage.database.claims import ClaimRepository, NewClaim
from storage.database.enrich_wants import WantRepository
from storage.database.exclusions import ExclusionRepository
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.ledger import LedgerEntry, LedgerRepository
from storage.database.links import LinkRepository
from storage.database.merge_inputs import MergeInputs
from storage.database.merge_models import MergeModelRepository
from storage.database.provenance import Provenance, ProvenanceRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

_RECIPE = EmbeddingRecipe("fake", "1", 8, 1)
RECIPES = RecipeSet(_RECIPE, _RECIPE, _RECIPE)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SLUG = "cowboy-bebop"
BEBOP: dict[str, Any] = {
    "title": "Cowboy Bebop",
    "type": "TV",
    "status": "FINISHED",
    "episodes": 26,
    "year": 1998,
    "genres": ["action", "sci-fi"],
    "studios": ["Sunrise"],
    "external_ids": {"mal": 1},
}


class _Store:
    """Everything that a title passes through, over one database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.titles = TitleRepository(self.database)
        self.jobs = JobRepository(self.database)
        self.claims = ClaimRepository(self.database)
        self.bases = BaseRepository(self.database)
        self.provenance = ProvenanceRepository(self.database)
        self.importer = Importer(self.database, self.titles, self.jobs)
        self.merger = TitleMerger(self.database, clock=lambda: NOW)

    def add(self, *values: dict[str, Any]) -> dict[str, int]:
        """Import documents."""
        records = (RawRecord(number, value=dict(value)) for number, value in enumerate(values, start=1))
        return self.importer.run(self.jobs.create("import", {}), records).counts()

    def claim(
        self, provider: str, facts: dict[str, Any], *, stage: str = "metadata", slug: str = SLUG, at: datetime = NOW
    ) -> None:
        """A provider's word."""
        with self.database.begin() as connection:
            claim = NewClaim(slug=slug, provider=provider, stage=stage, facts=facts, fetched_at=at)
            self.claims.record_in(connection, claim)

    def link(self, provider: str, external_id: str, *, slug: str = SLUG) -> None:
        """A link that linking found."""
        self.execute(
            "INSERT INTO provider_links (slug, provider, state, external_id, method, probability) "
            "VALUES (:slug, :provider, 'linked', :external_id, 'titles', 0.99)",
            slug=slug,
            provider=provider,
            external_id=external_id,
        )

    def execute(self, statement: str, **values: Any) -> Any:
        """One statement."""
        with self.database.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def merge(self, *slugs: str) -> Any:
        """Merge titles; none may fail."""
        report = self.merger.merge(slugs or (SLUG,))
        assert not report.failed, report.failed
        return report

    def get(self, slug: str = SLUG) -> StoredTitle:
        """The title as stored."""
        return self.titles.load([slug])[slug]

    def get_base(self, slug: str = SLUG) -> Any:
        """Its base; None where the document is it."""
        return self.execute("SELECT base FROM titles WHERE slug = :slug", slug=slug)[0].base

    def get_version(self, slug: str = SLUG) -> int:
        """How often its document was written."""
        version: int = self.execute("SELECT version FROM titles WHERE slug = :slug", slug=slug)[0].version
        return version

    def explain(self, slug: str = SLUG) -> Provenance:
        """Its provenance."""
        found = self.provenance.load(slug)
        assert found is not None
        return found


@pytest.fixture
def store(database_url: str) -> Iterator[_Store]:
    """One title, as imported."""
    made = _Store(database_url)
    made.execute("TRUNCATE titles, jobs, merge_models RESTART IDENTITY CASCADE")
    made.add(BEBOP)
    yield made
    made.database.close()


def test_what_sources_add_comes_into_the_document_with_its_reasons(store: _Store) -> None:
    """A field that only a provider knows is taken, and what imports gave is kept as the base."""
    store.claim("anilist", {"duration": 24.0, "synopsis": "Bounty hunters drift through space."})
    assert store.merge().changed == (SLUG,)
    title = store.get()
    assert title.document["duration"] == 24.0 and title.document["episodes"] == 26
    assert store.get_base() == {key: value for key, value in store.get_base().items() if key != "duration"}
    reasons = store.explain().fields
    assert reasons["duration"]["sources"] == ["anilist"] and 0 < reasons["duration"]["confidence"] <= 1
    assert reasons["episodes"]["sources"] == ["catalogue"]


def test_the_same_again_writes_nothing(store: _Store) -> None:
    """A second merging of the same inputs leaves document, version and provenance as they are."""
    store.claim("anilist", {"duration": 24.0})
    store.merge()
    before = store.get(), store.get_version(), store.explain()
    report = store.merge()
    assert (report.changed, report.unchanged) == ((), (SLUG,))
    assert (store.get(), store.get_version(), store.explain()) == before


def test_a_title_without_claims_stays_as_it_is(store: _Store) -> None:
    """Merging only rates it: no base, no new version."""
    assert store.merge().unchanged == (SLUG,)
    assert store.get_base() is None and store.get_version() == 1
    assert 0 < store.explain().quality < 100


def test_a_conflict_is_decided_and_told(store: _Store) -> None:
    """Two providers against the catalogue: the value that wins is in the document, the other in its reasons."""
    for provider in ("jikan", "anilist", "kitsu", "anidb"):
        store.claim(provider, {"year": 1999})
    store.merge()
    reasons = store.explain().fields["year"]
    assert store.get().document["year"] == 1999
    assert reasons["conflict"] is True
    assert {other["value"] for other in reasons["others"]} == {1998}


def test_a_word_that_is_taken_back_leaves_the_document(store: _Store) -> None:
    """A provider that says something else, or nothing, is merged anew from the base."""
    store.claim("anilist", {"duration": 24.0, "rating": "R"})
    store.merge()
    store.claim("anilist", {"rating": "R"}, at=NOW + timedelta(hours=1))
    assert store.merge().changed == (SLUG,)
    assert "duration" not in store.get().document


def test_the_main_title_never_changes_by_merging(store: _Store) -> None:
    """What every source calls it otherwise becomes a synonym; the slug stays."""
    for provider in ("jikan", "anilist", "kitsu"):
        store.claim(provider, {"title": "Kauboi Bibappu"})
    store.merge()
    document = store.get().document
    assert document["title"] == "Cowboy Bebop" and "Kauboi Bibappu" in document["synonyms"]


def test_import_enrich_import_override_enrich(store: _Store) -> None:
    """The whole dance: imports change the base, news come into the document at once, a person goes before all."""
    store.claim("anilist", {"duration": 24.0, "year": 1998, "episodes": 26})
    store.merge()
    assert store.add({**BEBOP, "year": 1997, "source": "original"}) == {
        "added": 0,
        "changed": 1,
        "unchanged": 0,
        "refused": 0,
    }
    # What is new in the base is seen at once; what sources added stays.
    assert store.get().document["year"] == 1997 and store.get().document["duration"] == 24.0
    assert store.get_base()["year"] == 1997 and "duration" not in store.get_base()
    store.merge()
    assert store.get().document["source"] == "original"
    change = store.bases.set_override(SLUG, "year", 2001, by="editor")
    assert change.changed and change.job_id is not None
    store.merge()
    assert store.get().document["year"] == 2001
    reasons = store.explain().fields["year"]
    assert (reasons["sources"], reasons["confidence"]) == (["override"], 1.0)
    # Imports and sources that say something else change nothing of it.
    store.add({**BEBOP, "year": 1990})
    assert store.get().document["year"] == 2001 and store.get_base()["year"] == 1990
    store.claim("kitsu", {"year": 1991})
    store.merge()
    assert store.get().document["year"] == 2001
    store.bases.remove_override(SLUG, "year")
    store.merge()
    assert store.get().document["year"] != 2001


def test_an_import_between_override_and_merging_loses_nothing(store: _Store) -> None:
    """A title that was never merged takes the import as its document, and the override at the next merging."""
    store.bases.set_override(SLUG, "episodes", 25, by="editor")
    store.add({**BEBOP, "episodes": 30})
    assert store.get().document["episodes"] == 30
    store.merge()
    assert store.get().document["episodes"] == 25 and store.get_base()["episodes"] == 30


def test_an_unchanged_import_of_an_enriched_title_is_unchanged(store: _Store) -> None:
    """The same record again: no new version, though the document says more than it does."""
    store.claim("anilist", {"duration": 24.0})
    store.merge()
    version = store.get_version()
    assert store.add(BEBOP)["unchanged"] == 1
    assert store.get_version() == version and store.get().document["duration"] == 24.0


def test_two_records_of_one_enriched_title_in_a_batch_are_joined(store: _Store) -> None:
    """The second adds to the base that the first has made."""
    store.claim("anilist", {"duration": 24.0})
    store.merge()
    store.add({**BEBOP, "background": "First."}, {**BEBOP, "licensors": ["Funimation"]})
    assert store.get_base()["background"] == "First." and store.get_base()["licensors"] == ["Funimation"]
    assert store.get().document["background"] == "First."


def test_a_person_may_empty_a_field(store: _Store) -> None:
    """Null as the override leaves the field out, whatever sources and rules say."""
    store.claim("anilist", {"synopsis": "Wrong title altogether."})
    store.bases.set_override(SLUG, "synopsis", None, by="editor", note="of another title")
    store.bases.set_override(SLUG, "year", None, by="editor")
    store.claim("kitsu", {"aired": {"start": "1998-04-03"}})
    store.merge()
    assert "synopsis" not in store.get().document and "year" not in store.get().document


def test_only_a_person_changes_the_main_title(store: _Store) -> None:
    """The name changes, the slug does not, and titles that link to it are written again."""
    store.add({"title": "Sequel", "external_ids": {"mal": 5}, "related_anime": [{"external_ids": {"mal": 1}}]})
    GenerationRepository(store.database).create("c1", alias="live", recipes=RECIPES)
    ledger = LedgerRepository(store.database)
    entries = [LedgerEntry(slug, store.get(slug).content_hash, {"related_vector": "x"}) for slug in (SLUG, "sequel")]
    with store.database.begin() as connection:
        assert ledger.record(connection, "c1", entries) == []
    store.bases.set_override(SLUG, "title", "Cowboy Bebop (1998)", by="editor")
    store.merge()
    assert store.get().document["title"] == "Cowboy Bebop (1998)" and store.get().slug == SLUG
    assert ledger.load("c1", ["sequel"])["sequel"].document_hash == ""


def test_an_override_is_kept_once(store: _Store) -> None:
    """The same value again needs no job; a field without one is removed without one; unknown titles are refused."""
    assert store.bases.set_override(SLUG, "year", 2001, by="a").changed
    assert not store.bases.set_override(SLUG, "year", 2001, by="b").changed
    assert store.bases.load_overrides(SLUG)["year"].by == "a"
    assert not store.bases.remove_override(SLUG, "episodes").changed
    assert store.bases.remove_override(SLUG, "year").changed and store.bases.load_overrides(SLUG) == {}
    with pytest.raises(NotFoundError):
        store.bases.set_override("nobody", "year", 2001, by="a")
    jobs = [job for job in store.jobs.list_open() if job.kind == "enrich"]
    assert [job.params for job in jobs] == [{"ids": [SLUG], "merge_only": True, "reason": "override"}] * 2


def test_linked_ids_lead_to_the_title_until_they_are_taken_back(store: _Store) -> None:
    """A link becomes an external id in the document and for look-ups, and goes with the link."""
    store.link("anilist", "20")
    store.claim("kitsu", {"external_ids": {"anidb": 23}})
    store.merge()
    assert store.get().document["external_ids"] == {"mal": 1, "anilist": 20, "anidb": 23}
    assert store.titles.resolve_slug("anilist:20") == SLUG and store.titles.resolve_slug("anidb:23") == SLUG
    store.execute("UPDATE provider_links SET state = 'refused'")
    store.merge()
    assert store.get().document["external_ids"] == {"mal": 1, "anidb": 23}
    assert store.titles.resolve_slug("anilist:20") is None and store.titles.resolve_slug("mal:1") == SLUG


def test_where_a_person_links_the_catalogue_is_silent(store: _Store) -> None:
    """A person's id goes before the base's and every source's, and a refusal leaves none; imports still know it."""
    links = LinkRepository(store.database)
    store.add({**BEBOP, "external_ids": {"mal": 1, "anilist": 999}})
    store.claim("kitsu", {"external_ids": {"anilist": 998}})
    links.decide(SLUG, "anilist", external_id="20", by="editor", then_ask=False)
    store.merge()
    assert store.get().document["external_ids"] == {"mal": 1, "anilist": 20}
    assert store.titles.resolve_slug("anilist:20") == SLUG and store.titles.resolve_slug("anilist:999") == SLUG
    links.decide(SLUG, "anilist", external_id=None, by="editor", then_ask=False)
    store.merge()
    assert store.get().document["external_ids"] == {"mal": 1}
    assert store.titles.resolve_slug("anilist:20") is None and store.titles.resolve_slug("anilist:999") == SLUG
    assert store.add({**BEBOP, "external_ids": {"mal": 1, "anilist": 999}})["unchanged"] == 1


def test_an_id_of_another_title_is_left_out_and_noted(store: _Store) -> None:
    """Whoever has an id keeps it; of two that claim a new one in one run, the first by name has it."""
    store.add({"title": "Akira", "external_ids": {"mal": 47}}, {"title": "Zeta", "external_ids": {"mal": 90}})
    store.claim("kitsu", {"external_ids": {"anidb": 28, "mal": 47}})
    store.claim("kitsu", {"external_ids": {"anidb": 28}}, slug="zeta")
    store.merge("zeta", SLUG, "akira")
    assert store.get().document["external_ids"] == {"mal": 1, "anidb": 28}
    assert store.get("zeta").document["external_ids"] == {"mal": 90}
    assert "anidb:28 is the id of another title" in store.explain("zeta").fields["external_ids"]["note"]
    assert store.titles.resolve_slug("mal:47") == "akira"
    version = store.get_version("zeta")
    assert store.merge("zeta", SLUG).changed == () and store.get_version("zeta") == version


def test_adult_by_one_source_is_adult(store: _Store) -> None:
    """One word is enough to hide a title, an import does not show it again, and a person may."""
    store.claim("anilist", {"genres": ["hentai"], "rating": "Rx"})
    for provider in ("jikan", "kitsu", "anidb"):
        store.claim(provider, {"genres": ["action"], "rating": "R"})
    store.merge()
    assert store.get().adult
    store.add({**BEBOP, "genres": ["action"], "tags": ["space"], "rating": "PG"})
    assert store.get().adult
    for field, value in (("tags", ["space"]), ("genres", ["action"]), ("rating", "R")):
        store.bases.set_override(SLUG, field, value, by="editor")
    store.merge()
    assert not store.get().adult


def test_pictures_follow_the_merged_document(store: _Store) -> None:
    """A cover that a provider names becomes a row of pictures in the same transaction."""
    store.claim("anilist", {"images": {"picture": "https://img.example/bebop.jpg"}})
    store.merge()
    assert [row.url for row in store.execute("SELECT url FROM pictures WHERE NOT gone")] == [
        "https://img.example/bebop.jpg"
    ]


def test_a_broken_claim_keeps_no_other_title_back(store: _Store) -> None:
    """A fact that cannot even be compared fails its title alone, which stays as it was and is named with the reason."""
    store.add({"title": "Akira", "external_ids": {"mal": 47}})
    store.claim("kitsu", {"duration": 124.0, "broadcast": 7}, slug="akira")
    store.claim("anilist", {"duration": 24.0})
    report = store.merger.merge([SLUG, "akira", "nobody"])
    assert (report.changed, list(report.failed)) == ((SLUG,), ["akira"]) and "TypeError" in report.failed["akira"]
    assert store.get().document["duration"] == 24.0 and "duration" not in store.get("akira").document


@pytest.mark.parametrize(
    "facts",
    [
        {"related_anime": [None, 7, {"external_ids": [1]}, {"external_ids": {"mal": [1]}, "title": {}}]},
        {"related_anime": 5},
        {"related_anime": {"mal": 1}},
        {"external_ids": [1, None]},
        {"external_ids": {"mal": {"a": 1}}},
        {"external_ids": 9},
    ],
    ids=["relatives", "no-list", "no-entries", "ids", "id", "no-ids"],
)
def test_claims_of_absurd_forms_harm_nobody_else(store: _Store, facts: dict[str, Any]) -> None:
    """As an older parser might have stored them: the others of the batch are merged, and sources are learned of."""
    store.add({"title": "Akira", "external_ids": {"mal": 47}})
    store.claim("kitsu", {"duration": 124.0, **facts}, slug="akira")
    store.claim("anilist", {"duration": 24.0, "year": 1998})
    report = store.merger.merge([SLUG, "akira"])
    assert SLUG in report.changed and store.get().document["duration"] == 24.0
    assert store.get("akira").document["title"] == "Akira"
    assert ModelKeeper(store.database, min_titles=1).learn() is not None


def test_what_cannot_be_learned_from_is_passed_over(store: _Store) -> None:
    """One title's facts of another form end no learning, and are not counted."""
    store.add({"title": "Akira", "external_ids": {"mal": 47}})
    store.claim("kitsu", {"broadcast": 7, "synonyms": 5, "episodes": "x", "duration": [1]}, slug="akira")
    store.claim("jikan", {"broadcast": "Saturdays", "episodes": 1}, slug="akira")
    store.claim("anilist", {"year": 1998, "episodes": 26})
    keeper = ModelKeeper(store.database, min_titles=1)
    assert keeper.learn() is not None
    stored = MergeModelRepository(store.database).load_newest()
    assert stored is not None and stored.titles == 1


def test_a_value_that_no_document_takes_is_left_out(store: _Store) -> None:
    """The field keeps what the base says, with a note; the other fields are taken."""
    store.claim("anilist", {"episodes": 10**9, "duration": 24.0})
    store.claim("jikan", {"episodes": 10**9})
    store.claim("kitsu", {"episodes": 10**9})
    store.claim("anidb", {"episodes": 10**9, "rank": -5})
    store.merge()
    document, reasons = store.get().document, store.explain().fields
    assert (document["episodes"], document["duration"]) == (26, 24.0) and "rank" not in document
    assert "not valid" in reasons["episodes"]["note"] and "not valid" in reasons["rank"]["note"]


def test_a_death_in_the_middle_leaves_the_title_as_it_was(store: _Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Document, base, ids, pictures and provenance come together or not at all."""
    store.claim("anilist", {"duration": 24.0, "external_ids": {"anilist": 1}, "images": {"picture": "https://a/b.jpg"}})

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ProvenanceRepository, "write_in", die)
        with pytest.raises(KeyboardInterrupt):
            store.merge()
    assert store.get_base() is None and "duration" not in store.get().document and store.get_version() == 1
    assert store.titles.resolve_slug("anilist:1") is None and store.execute("SELECT 1 FROM pictures") == []
    assert store.merge().changed == (SLUG,) and store.titles.resolve_slug("anilist:1") == SLUG


def test_related_titles_are_those_that_we_have(store: _Store) -> None:
    """Entries of one title are joined by our ids, a franchise follows from names, an adult relative is not named."""
    store.add(
        {"title": "Cowboy Bebop: Tengoku no Tobira", "external_ids": {"mal": 5, "anilist": 5}},
        {"title": "Cowboy Secret", "rating": "Rx", "external_ids": {"mal": 6}},
    )
    related = [
        {"title": "Knockin'", "relation": "side story", "external_ids": {"anilist": 5}},
        {"external_ids": {"mal": 5}},
        {"title": "Cowboy Secret", "external_ids": {"mal": 6}},
    ]
    store.claim("anilist", {"related_anime": related}, stage="relations")
    store.merge()
    document = store.get().document
    assert document["franchise"] == "Cowboy Bebop"
    first, second = sorted(document["related_anime"], key=lambda one: len(one["external_ids"]), reverse=True)
    assert (first["relation"], first["external_ids"]) == ("side story", {"anilist": 5, "mal": 5})
    assert second == {"external_ids": {"mal": 6}}


def test_hidden_relatives_are_named_nowhere(store: _Store) -> None:
    """Adult and excluded ones, by id or by name alone: not in the document and not in the reasons for it."""
    store.add(
        {"title": "Naughty Secret", "tags": ["Hentai"], "external_ids": {"mal": 666}},
        {"title": "Gone Secret", "external_ids": {"mal": 777}},
        {"title": "Lonely Secret", "rating": "Rx", "external_ids": {"mal": 888}},
    )
    store.execute("UPDATE titles SET excluded = true WHERE slug = 'gone-secret'")
    for provider in ("jikan", "anilist", "kitsu"):
        related = [
            {
                "title": "Naughty",
                "relation": "sequel" if provider == "jikan" else "prequel",
                "external_ids": {"mal": 666},
            },
            {"title": "Gone Secret", "relation": "sequel", "external_ids": {"mal": 777}},
        ]
        by_name = [{"title": "naughty secret"}, {"title": "LONELY Secret", "relation": "side story"}]
        store.claim(provider, {"related_anime": [*related, *(by_name if provider == "kitsu" else [])]})
    store.merge()
    told = repr(store.get().document) + repr(store.explain().fields)
    assert not [word for word in ("naughty", "gone", "lonely") if word in told.casefold()]
    assert [one["external_ids"]["mal"] for one in store.get().document["related_anime"]] == [666, 777]


def test_a_relative_that_is_hidden_later_loses_its_name(store: _Store) -> None:
    """By exclusion, by a source, by an import: the titles that name it are merged again by whoever is next."""
    names = ("Gone Later", "Adult Later", "New Later")
    related = [{"title": name, "external_ids": {"mal": 901 + place}} for place, name in enumerate(names)]
    store.add(*({"title": one["title"], "external_ids": one["external_ids"]} for one in related[:2]))
    wants = WantRepository(store.database)
    store.claim("anilist", {"related_anime": related}, stage="relations")

    def list_named() -> list[str]:
        store.merge()
        assert SLUG not in wants.pick_unmerged(limit=10)
        return [one["title"] for one in store.get().document["related_anime"] if "title" in one]

    assert list_named() == [*names]
    exclusions = ExclusionRepository(store.database)
    exclusions.exclude("gone-later")
    assert SLUG in wants.pick_unmerged(limit=10)
    assert list_named() == ["Adult Later", "New Later"]
    store.claim("kitsu", {"rating": "Rx"}, slug="adult-later")
    # In one batch with it: this title is read before the other one is adult.
    store.claim("kitsu", {"duration": 24.0})
    store.merge(SLUG, "adult-later")
    assert SLUG in wants.pick_unmerged(limit=10)
    assert list_named() == ["New Later"]
    store.add({"title": "New Later", "rating": "Rx", "external_ids": {"mal": 903}})
    assert SLUG in wants.pick_unmerged(limit=10)
    assert list_named() == []
    exclusions.restore("gone-later")
    assert list_named() == ["Gone Later"]


def test_a_catalogue_alone_comes_out_as_it_went_in(store: _Store) -> None:
    """Spelling variants, order and all, though a source without facts is there; a person changes one field alone."""
    variants = {
        "title": "Akira",
        "status": "ONGOING",
        "aired": {"start": "1988-07-16", "end": "1988-07-16"},
        "year": 1988,
        "season": "SUMMER",
        "synonyms": ["AKIRA!", "Akira", "akira", "アキラ"],
        "tags": ["cyber punk", "cyberpunk", "Cyberpunk"],
        "studios": ["TMS", "TMS Entertainment", "Tokyo Movie Shinsha"],
        "external_ids": {"mal": 47},
        "related_anime": [{"external_ids": {"mal": 1}}, {"external_ids": {"mal": 1}, "relation": "other"}],
    }
    store.add(variants)
    before = store.get("akira").document
    store.claim("kitsu", {}, slug="akira")
    assert store.merge("akira").unchanged == ("akira",)
    assert store.get("akira").document == before and store.get_base("akira") is None
    store.bases.set_override("akira", "year", 1989, by="editor")
    store.merge("akira")
    assert store.get("akira").document == {**before, "year": 1989}


def test_who_is_asked_last_changes_nothing(store: _Store) -> None:
    """The same words at other times: cover, score and all the rest stay, and the document is not written again."""
    for place, provider in enumerate(("jikan", "anilist", "kitsu")):
        facts = {"images": {"picture": f"https://{provider}.example/1.jpg"}}
        store.claim(provider, {**facts, "status": "ONGOING"}, at=NOW - timedelta(days=place))
        store.claim(provider, {"score": 7.0 + place / 2}, stage="statistics", at=NOW - timedelta(days=place))
    store.merge()
    before = store.get().document, store.get_version()
    for days in ((80, 0, 40), (40, 80, 0), (0, 40, 80)):
        for provider, ago in zip(("jikan", "anilist", "kitsu"), days, strict=True):
            at = NOW + timedelta(days=100 - ago)
            store.execute("UPDATE claims SET fetched_at = :at WHERE provider = :provider", at=at, provider=provider)
        assert store.merge().changed == ()
    assert (store.get().document, store.get_version()) == before


def test_merging_and_imports_at_once_end_in_one_truth(store: _Store) -> None:
    """Two mergers and an importer over the same titles: no deadlock, no lost base, and the last merging is stable."""
    store.add(*({"title": f"Title {number}", "external_ids": {"mal": 100 + number}} for number in range(20)))
    slugs = [f"title-{number}" for number in range(20)]
    for slug in slugs:
        store.claim("anilist", {"duration": 24.0}, slug=slug)
    errors: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    records = [
        {"title": f"Title {number}", "year": 2000, "external_ids": {"mal": 100 + number}} for number in range(20)
    ]
    works = [
        lambda: store.merge(*slugs),
        lambda: store.merge(*reversed(slugs)),
        lambda: store.add(*records),
    ]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    store.merge(*slugs)
    for title in store.titles.load(slugs).values():
        assert title.document["year"] == 2000 and title.document["duration"] == 24.0
    assert store.merge(*slugs).changed == ()


def test_the_newest_learned_model_is_used(store: _Store) -> None:
    """The default until enough titles have two sources; then what was learned, and titles are merged anew by it."""
    keeper = ModelKeeper(store.database, min_titles=2)
    store.claim("anilist", {"year": 1998, "episodes": 26})
    assert keeper.learn() is None and keeper.get().version == 0
    store.add({"title": "Akira", "year": 1988, "external_ids": {"mal": 47}})
    store.claim("anilist", {"year": 1988}, slug="akira")
    store.merge()
    learned = keeper.learn()
    assert learned is not None and keeper.get().version == learned.version == 1
    stored = MergeModelRepository(store.database).load_newest()
    assert stored is not None and stored.titles == 2
    assert MergeModel.from_json(stored.parameters).titles == learned.model.titles
    store.merge()
    assert store.explain().model_version == 1


def test_a_synthesis_is_one_source_among_others(store: _Store) -> None:
    """Its text is weighed like a claim, explained by its name, and gone when it is not given."""
    store.claim("anilist", {"duration": 24.0})

    def synthesise(titles: Mapping[str, MergeInputs]) -> dict[str, Synthesis]:
        return {
            slug: Synthesis(f"What {inputs.base['title']} is about, in our words.", NOW)
            for slug, inputs in titles.items()
        }

    TitleMerger(store.database, synthesise=synthesise, clock=lambda: NOW).merge([SLUG])
    assert store.get().document["synopsis"] == "What Cowboy Bebop is about, in our words."
    assert store.explain().fields["synopsis"]["sources"] == ["synthesis"]
    store.merge()
    assert "synopsis" not in store.get().document


def test_the_worst_titles_come_first(store: _Store) -> None:
    """Lists by quality are ascending, bounded, and leave excluded titles out."""
    store.add(
        {"title": "Nothing Known", "external_ids": {"mal": 900}}, {"title": "Hidden", "external_ids": {"mal": 901}}
    )
    store.execute("UPDATE titles SET excluded = true WHERE slug = 'hidden'")
    store.merge(SLUG, "nothing-known", "hidden")
    listed = store.provenance.list_by_quality(limit=10)
    assert [one.slug for one in listed] == ["nothing-known", SLUG]
    assert store.provenance.list_by_quality(limit=10, most=listed[0].quality) == listed[:1]
    assert set(listed[0].quality_parts) == {"completeness", "agreement", "freshness", "depth", "pictures"}
