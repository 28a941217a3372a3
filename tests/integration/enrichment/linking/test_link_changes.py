"""What follows when a link changes: what came by it goes, what rests on it is found again, and all of it is due."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from core.errors import ConflictError
from storage.database.enrichment_models import LinkState
from storage.database.link_changes import load_guesses_in, lock_links_in
from storage.database.links import LinkRepository
from storage.database.session import Database
from tests.integration.enrichment.linking.conftest import AddTitle
from tests.integration.enrichment.linking.test_links import build_link

Count = Callable[..., int]
AddClaim = Callable[..., None]
IS_DUE = "state = 'failed' AND due_at <= now() AND reason = 'link-changed' AND lease_owner IS NULL"


@pytest.fixture
def linked_twice(links: LinkRepository, add_title: AddTitle, add_claim: AddClaim) -> None:
    """A title that was guessed at AniList, and at Kitsu by what AniList said; both have spoken of it."""
    add_title("kumo")
    for provider, external_id in (("anilist", "7"), ("kitsu", "5")):
        links.store(build_link("kumo", external_id, provider=provider))
        add_claim("kumo", provider)


@pytest.mark.parametrize("state", [LinkState.NONE, LinkState.DOUBTFUL])
def test_a_person_who_links_what_was_not_found_makes_it_due(
    links: LinkRepository, add_title: AddTitle, database: Database, count: Count, add_claim: AddClaim, state: LinkState
) -> None:
    """Parts that were absent because nobody knew where are due at once, and not when that word has grown old."""
    add_title("kumo")
    links.store(build_link("kumo", None, state=state))
    add_claim("kumo", "anilist", state="absent")
    links.decide("kumo", "anilist", external_id="7", by="ann", then_ask=True)
    assert count("enrich_parts", IS_DUE) == 1


def test_a_lane_that_finds_a_link_goes_on_with_its_parts(
    links: LinkRepository, add_title: AddTitle, count: Count, add_claim: AddClaim, database: Database
) -> None:
    """What the lane has leased itself stays leased; another lane's part is asked again, and an absent one is due."""
    add_title("kumo")
    links.store(build_link("kumo", None))
    add_claim("kumo", "anilist", state="leased")
    for stage, owner, state in (("staff", "another", "leased"), ("episodes", "nobody", "absent")):
        with database.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO enrich_parts (slug, provider, stage, state, lease_owner) "
                    "VALUES ('kumo', 'anilist', :stage, :state, :owner)"
                ),
                {"stage": stage, "owner": owner, "state": state},
            )
    links.store(build_link("kumo"), asked_by="a-lane")
    assert count("enrich_parts", "stage = 'metadata' AND state = 'leased' AND lease_owner = 'a-lane'") == 1
    assert count("enrich_parts", "stage = 'staff' AND state = 'pending' AND lease_owner IS NULL") == 1
    assert count("enrich_parts", f"stage = 'episodes' AND {IS_DUE}") == 1


@pytest.mark.parametrize("found", [None, "7"])
def test_the_same_once_more_makes_nothing_due(
    links: LinkRepository, add_title: AddTitle, count: Count, add_claim: AddClaim, found: str | None
) -> None:
    """A title that is not found again, or found where it was, is not asked about for ever."""
    add_title("kumo")
    links.store(build_link("kumo", found))
    add_claim("kumo", "anilist")
    links.store(build_link("kumo", found))
    assert count("enrich_parts", "state = 'done'") == count("claims") == 1


@pytest.mark.usefixtures("linked_twice")
def test_what_rests_on_a_wrong_link_goes_with_it(links: LinkRepository, count: Count, database: Database) -> None:
    """The other guess and what came by it is gone, too, and both are due to be found again."""
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=False)
    assert links.get("kumo", "kitsu") is None
    assert count("claims") == count("title_ids") == 0
    assert count("enrich_parts", IS_DUE) == 2


@pytest.mark.usefixtures("linked_twice")
def test_what_a_person_said_outlives_a_wrong_link(links: LinkRepository, count: Count) -> None:
    """The other link was confirmed by a person: it stays with its claims."""
    links.decide("kumo", "kitsu", external_id="5", by="ann", then_ask=False)
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=False)
    other = links.get("kumo", "kitsu")
    assert other is not None and other.external_id == "5"
    assert count("claims", "provider = 'kitsu'") == 1


def test_a_persons_link_has_doubtful_ones_looked_for_again(
    links: LinkRepository, add_title: AddTitle, count: Count, add_claim: AddClaim
) -> None:
    """Tables may know the others by it. What is doubtful stays on the list meanwhile."""
    add_title("kumo")
    links.store(build_link("kumo", None, provider="kitsu", state=LinkState.DOUBTFUL))
    add_claim("kumo", "kitsu", state="absent")
    links.decide("kumo", "anilist", external_id="7", by="ann", then_ask=False)
    assert count("enrich_parts", f"provider = 'kitsu' AND {IS_DUE}") == 1
    assert links.count_by_state()["kitsu"] == {"doubtful": 1}


def test_a_lane_at_work_loses_its_part_to_a_decision(
    links: LinkRepository, add_title: AddTitle, count: Count, add_claim: AddClaim
) -> None:
    """What it is being told is about the former id: the part waits, and is asked by the new one."""
    add_title("kumo")
    links.store(build_link("kumo"))
    add_claim("kumo", "anilist", state="leased")
    links.decide("kumo", "anilist", external_id="8", by="ann", then_ask=True)
    assert count("enrich_parts", "state = 'pending' AND lease_owner IS NULL AND leased_until IS NULL") == 1


def test_a_withdrawn_refusal_of_the_catalogues_id_makes_it_due(
    links: LinkRepository, add_title: AddTitle, count: Count, add_claim: AddClaim
) -> None:
    """The catalogue's id holds again, and is asked."""
    add_title("kumo", external_ids={"anilist": 7})
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=False)
    add_claim("kumo", "anilist", state="absent")
    links.withdraw("kumo", "anilist")
    assert count("enrich_parts", IS_DUE) == 1


def test_rivals_stay_doubtful_until_a_person_decides(
    links: LinkRepository, add_title: AddTitle, count: Count, add_claim: AddClaim
) -> None:
    """Neither gets the id back by being found again; when one is refused, the other is due, and may have it."""
    add_title("kumo")
    add_title("kaze")
    for slug in ("kumo", "kaze", "kumo", "kaze"):
        links.store(build_link(slug))
    assert links.count_by_state() == {"anilist": {"doubtful": 2}}
    add_claim("kaze", "anilist", state="absent")
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=False)
    assert count("enrich_parts", f"slug = 'kaze' AND {IS_DUE}") == 1
    assert links.store(build_link("kaze")).state is LinkState.LINKED


def test_an_id_that_a_person_refused_can_be_given_to_another_title(
    links: LinkRepository, add_title: AddTitle, database: Database
) -> None:
    """Also where the catalogue names it; what the catalogue imports next is still the former's."""
    add_title("kumo", external_ids={"anilist": 7})
    add_title("kaze")
    links.decide("kumo", "anilist", external_id=None, by="ann", then_ask=False)
    link, _ = links.decide("kaze", "anilist", external_id="7", by="ann", then_ask=False)
    assert link.state is LinkState.LINKED
    with pytest.raises(ConflictError, match="kaze"):
        links.decide("kumo", "anilist", external_id="7", by="bob", then_ask=False)
    with database.begin() as connection:
        assert load_guesses_in(connection, [("anilist", "7")]) == {}


def test_a_person_takes_an_id_that_another_providers_word_gave(
    links: LinkRepository, add_title: AddTitle, database: Database, count: Count
) -> None:
    """It came by merging and stands in no link: the title loses it, and is merged anew."""
    add_title("kumo")
    add_title("kaze")
    with database.begin() as connection:
        connection.execute(text("INSERT INTO title_ids (provider, external_id, slug) VALUES ('anilist', '7', 'kumo')"))
        connection.execute(
            text(
                "INSERT INTO provenance (slug, fields, quality, quality_parts, model_version, inputs_hash) "
                "VALUES ('kumo', '{\"external_ids\": {\"added\": [\"anilist:7\"]}}', 0, '{}', 0, 'x')"
            )
        )
        assert load_guesses_in(connection, [("anilist", "7")]) == {("anilist", "7"): False}
    links.decide("kaze", "anilist", external_id="7", by="ann", then_ask=False)
    assert count("title_ids", "slug = 'kaze' AND external_id = '7'") == 1
    assert count("jobs", "params -> 'ids' = '[\"kumo\"]' AND params ->> 'merge_only' = 'true'") == 1
    assert count("provenance", "inputs_hash = ''") == 1


def test_what_an_import_gave_is_no_guess(links: LinkRepository, add_title: AddTitle, database: Database) -> None:
    """Of the ids by which titles are known, guessed links are told from catalogues' ids and from persons' links."""
    add_title("kumo", external_ids={"anilist": 7})
    links.store(build_link("kumo", "5", provider="kitsu"))
    links.decide("kumo", "jikan", external_id="3", by="ann", then_ask=False)
    keys = [("anilist", "7"), ("kitsu", "5"), ("mal", "3"), ("mal", "99")]
    with database.begin() as connection:
        assert load_guesses_in(connection, keys) == {("kitsu", "5"): False, ("mal", "3"): True}
        assert load_guesses_in(connection, []) == {}


def test_the_catalogues_other_id_takes_everything_guessed_along(
    links: LinkRepository, add_title: AddTitle, database: Database, count: Count, add_claim: AddClaim
) -> None:
    """An import that corrects an id: what came by the former goes, what rests on it is found again; it is merged."""
    add_title("kumo", external_ids={"mal": 2})
    links.store(build_link("kumo"))
    for provider in ("jikan", "anilist"):
        add_claim("kumo", provider)
    add_title("kaze", external_ids={"mal": 4})
    with database.begin() as connection:
        lock_links_in(connection)
        changed = links.follow_catalogue_in(connection, {"kumo": ({"mal": 1}, {"mal": 2}), "kaze": ({}, {"mal": 4})})
    assert changed == ["kumo"]
    assert count("claims") == 0 and links.get("kumo", "anilist") is None
    assert count("enrich_parts", IS_DUE) == 2
    assert count("jobs", "params ->> 'merge_only' = 'true'") == 1


def test_the_catalogue_confirms_a_guess(
    links: LinkRepository, add_title: AddTitle, database: Database, count: Count, add_claim: AddClaim
) -> None:
    """The link is the catalogue's from now on, and nothing that came by it is lost."""
    add_title("kumo", external_ids={"anilist": 7})
    with database.begin() as connection:
        connection.execute(text("DELETE FROM title_ids"))
    links.store(build_link("kumo"))
    add_claim("kumo", "anilist")
    with database.begin() as connection:
        assert links.follow_catalogue_in(connection, {"kumo": ({}, {"anilist": 7})}) == []
    assert links.get("kumo", "anilist") is None
    assert count("claims") == count("title_ids") == count("enrich_parts", "state = 'done'") == 1
