"""Which title a record is about, where ids were guessed: nothing is imported into another title by a wrong guess."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import ConflictError
from indexing.importing import Importer
from indexing.sources.files import RawRecord
from storage.database.enrichment_models import LinkState
from storage.database.jobs import JobRepository
from storage.database.links import LinkRepository, StoredLink
from storage.database.session import Database
from storage.database.titles import TitleRepository

ALPHA = {"title": "Alpha Story", "synonyms": ["The Alphas"], "external_ids": {"anilist": 1}}
BETA = {"title": "Beta Tale", "external_ids": {"mal": 60, "anilist": 2}}


class _Store:
    """An importer, and the links that it must respect."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.titles = TitleRepository(self.database)
        self.jobs = JobRepository(self.database)
        self.links = LinkRepository(self.database)
        self._importer = Importer(self.database, self.titles, self.jobs)

    def run(self, *values: dict[str, Any]) -> None:
        """Import under a new job."""
        records = (RawRecord(number, value=value) for number, value in enumerate(values, start=1))
        self._importer.run(self.jobs.create("import", {}), records)

    def guess(self, slug: str, provider: str = "jikan", external_id: str = "60") -> None:
        """Link a title by its names, and keep what the provider says of it."""
        values = {"slug": slug, "provider": provider, "method": "titles", "probability": 0.99}
        self.links.store(StoredLink(state=LinkState.LINKED, external_id=external_id, **values))  # type: ignore[arg-type]
        self.execute(
            "INSERT INTO claims (slug, provider, stage, facts, hash, fetched_at, changed_at) "
            "VALUES (:slug, :provider, 'metadata', '{}', '', now(), now())",
            slug=slug,
            provider=provider,
        )

    def execute(self, statement: str, **parameters: Any) -> list[Any]:
        """Rows, if there are any."""
        with self.database.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result.scalars()) if result.returns_rows else []

    def get(self, slug: str) -> dict[str, Any]:
        """A document."""
        return self.titles.load([slug])[slug].document

    def list_merged_anew(self) -> list[list[str]]:
        """The titles of the jobs that merge without asking."""
        return self.execute("SELECT params -> 'ids' FROM jobs WHERE params ->> 'merge_only' = 'true'")


@pytest.fixture
def store(database_url: str) -> Iterator[_Store]:
    """An empty database."""
    made = _Store(database_url)
    made.execute("TRUNCATE titles, jobs CASCADE")
    yield made
    made.database.close()


def test_a_guess_that_the_catalogue_contradicts_does_not_identify(store: _Store) -> None:
    """The record is a title of its own and has the id; the one that was guessed waits for a person, without claims."""
    store.run(ALPHA)
    store.guess("alpha-story")
    store.run(BETA)
    assert store.get("alpha-story") == {**store.get("alpha-story"), **ALPHA}
    assert store.get("beta-tale")["external_ids"] == BETA["external_ids"]
    assert store.titles.resolve_slug("mal:60") == "beta-tale"
    link = store.links.get("alpha-story", "jikan")
    assert link is not None and link.state is LinkState.DOUBTFUL
    assert link.candidates[0]["why"] == ["also wanted by beta-tale"]
    assert store.execute("SELECT slug FROM claims") == []
    assert store.list_merged_anew() == [["alpha-story"]]


def test_the_same_import_once_more_changes_nothing(store: _Store) -> None:
    """Nor in another order: what was placed stays where it is."""
    store.run(ALPHA)
    store.guess("alpha-story")
    store.run(BETA)
    before = store.titles.load(["alpha-story", "beta-tale"])
    store.run(BETA, ALPHA)
    assert store.titles.load(["alpha-story", "beta-tale"]) == before and store.titles.count() == 2


def test_a_title_that_is_known_by_an_id_of_its_own_takes_the_guessed_one(store: _Store) -> None:
    """The sure id decides, in whatever order the record names them."""
    store.run(ALPHA, {**BETA, "external_ids": {"anilist": 2}})
    store.guess("alpha-story")
    store.run(BETA)
    assert store.titles.resolve_slug("mal:60") == "beta-tale" and store.titles.count() == 2
    assert store.get("alpha-story")["title"] == "Alpha Story"


@pytest.mark.parametrize(
    ("record", "is_same"),
    [
        ({"title": "ALPHA story!", "external_ids": {"mal": 60}}, True),
        ({"title": "Arufa", "synonyms": ["The Alphas"], "external_ids": {"mal": 60, "anilist": 1}}, True),
        ({"title": "The Alphas", "external_ids": {"mal": 60, "kitsu": 9}}, True),
        ({"title": "Beta Tale", "external_ids": {"mal": 60}}, False),
        ({"title": "Alpha Story", "external_ids": {"mal": 60, "anilist": 2}}, False),
    ],
)
def test_a_guess_identifies_where_nothing_speaks_against_it(
    store: _Store, record: dict[str, Any], is_same: bool
) -> None:
    """A name in common, and no other id: then it is the title, and what came by the guess stays."""
    store.run(ALPHA)
    store.guess("alpha-story")
    store.run(record)
    assert store.titles.count() == (1 if is_same else 2)
    assert (store.titles.resolve_slug("mal:60") == "alpha-story") is is_same
    assert (store.execute("SELECT slug FROM claims") == ["alpha-story"]) is is_same
    assert (store.links.get("alpha-story", "jikan") is None) is is_same


def test_names_that_came_by_a_guess_prove_nothing(store: _Store) -> None:
    """A merged title has the names of the wrong one among its synonyms: only those of its base count."""
    store.run(ALPHA)
    store.guess("alpha-story")
    store.execute(
        "UPDATE titles SET base = document, base_at = now(), document = document || CAST(:more AS jsonb)",
        more=json.dumps({"synonyms": ["Beta Tale"], "external_ids": {"anilist": 1, "mal": 60}}),
    )
    store.run({"title": "Beta Tale", "external_ids": {"mal": 60}})
    assert store.titles.resolve_slug("mal:60") == "beta-tale"


def test_an_id_that_a_merging_added_is_a_guess(store: _Store) -> None:
    """Another provider's word gave it, no link: the catalogue's record has it from now on."""
    store.run(ALPHA)
    store.execute("INSERT INTO title_ids (provider, external_id, slug) VALUES ('mal', '60', 'alpha-story')")
    store.execute(
        "INSERT INTO provenance (slug, fields, quality, quality_parts, model_version, inputs_hash) "
        "VALUES ('alpha-story', CAST(:fields AS jsonb), 0, '{}', 0, 'x')",
        fields=json.dumps({"external_ids": {"added": ["mal:60"]}}),
    )
    store.run(BETA)
    assert store.titles.resolve_slug("mal:60") == "beta-tale"
    assert store.list_merged_anew() == [["alpha-story"]]


def test_a_persons_link_identifies_and_is_kept(store: _Store) -> None:
    """What a person linked is that title whatever its name; where another id says otherwise, neither is destroyed."""
    store.run(ALPHA)
    store.links.decide("alpha-story", "jikan", external_id="60", by="ann", then_ask=False)
    store.run({"title": "Arufa", "external_ids": {"mal": 60}})
    assert store.titles.count() == 1 and store.get("alpha-story")["title"] == "Arufa"
    store.run(ALPHA)
    store.links.decide("alpha-story", "kitsu", external_id="9", by="ann", then_ask=False)
    store.run({"title": "Gamma", "external_ids": {"kitsu": 9, "anilist": 3}})
    assert store.get("alpha-story")["title"] == "Alpha Story" and store.titles.count() == 2
    assert store.titles.resolve_slug("kitsu:9") == "alpha-story"
    link = store.links.get("alpha-story", "kitsu")
    assert link is not None and link.state is LinkState.LINKED


def test_an_id_that_an_import_names_replaces_a_guess_at_once(store: _Store) -> None:
    """What came by the other id is gone with the import, and the title is merged anew without anybody asking."""
    store.run(ALPHA)
    store.guess("alpha-story")
    store.run({**ALPHA, "external_ids": {"anilist": 1, "mal": 61}})
    assert store.links.get("alpha-story", "jikan") is None
    assert store.execute("SELECT slug FROM claims") == []
    assert store.titles.resolve_slug("mal:60") is None and store.titles.resolve_slug("mal:61") == "alpha-story"
    assert store.list_merged_anew() == [["alpha-story"]]


def test_imports_and_links_at_the_same_moment(store: _Store) -> None:
    """Neither waits for the other for ever, and whoever comes last, no title is lost in another."""
    store.run(ALPHA)
    failed: list[Exception] = []

    def import_both() -> None:
        for record in (BETA, ALPHA) * 3:
            store.run(record)

    def link() -> None:
        for external_id in ("60", "61", None) * 4:
            store.links.decide("alpha-story", "jikan", external_id=external_id, by="ann", then_ask=False)
            store.links.withdraw("alpha-story", "jikan")

    def run(act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in (import_both, link)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error for error in failed if not isinstance(error, ConflictError)] == []
    assert {store.get(slug)["title"] for slug in ("alpha-story", "beta-tale")} == {"Alpha Story", "Beta Tale"}
    assert store.titles.count() == 2


def test_ids_that_only_imports_gave_identify_as_ever(store: _Store) -> None:
    """Also one that a later import replaced: a catalogue may have several entries of one title."""
    store.run({"title": "Alpha", "external_ids": {"mal": 1, "anilist": 1}})
    store.run({"title": "Alpha", "external_ids": {"mal": 2, "anilist": 1}})
    store.run({"title": "Another Name", "external_ids": {"mal": 1}})
    assert store.titles.count() == 1 and store.list_merged_anew() == []
