"""Learning: who is right how often, from agreement alone or from known truth."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from core.errors import InvalidInputError
from enrichment.merging import LabelledField, MergeModel, SourceClaims, learn, learn_labelled, merge_title
from enrichment.merging.model import pair_name
from tests.unit.enrichment.merging.claims import say

ACCURACY = {"jikan": 0.97, "anilist": 0.9, "kitsu": 0.8, "anidb": 0.6}


def draw_titles(count: int, *, seed: int = 1) -> Iterator[list[SourceClaims]]:
    """Titles of which each source tells the episodes right so often, the truth always 12."""
    chance = random.Random(seed)
    for _ in range(count):
        yield [
            say(source, episodes=12 if chance.random() < accuracy else chance.randint(100, 120))
            for source, accuracy in ACCURACY.items()
        ]


def test_reliability_is_learned_from_agreement_alone() -> None:
    """Each source's share of right values is found within a few percent, without any truth."""
    model = learn(draw_titles(1_500))
    for source, accuracy in ACCURACY.items():
        assert model.get_quality("episodes", source).accuracy == pytest.approx(accuracy, abs=0.04)


def test_what_is_learned_resolves_conflicts() -> None:
    """On new titles the learned model is right more often where sources are at odds than a vote of heads."""
    model = learn(draw_titles(1_500))
    odds = [claims for claims in draw_titles(400, seed=2) if len({one.facts["episodes"] for one in claims}) > 1]
    right = sum(merge_title(claims, model).fields["episodes"].value == 12 for claims in odds)
    assert right / len(odds) > 0.95


def test_copies_are_found_by_shared_errors() -> None:
    """A source that has another's errors is its copy; an independent one of the same quality is not."""
    chance = random.Random(3)
    titles = []
    for number in range(1_500):
        truth = number % 7
        say_it = lambda: truth if chance.random() < 0.75 else chance.randint(100, 130)  # noqa: E731, B023
        copied = say_it()
        titles.append(
            [say("jikan", episodes=truth), say("kitsu", episodes=copied), say("anidb", episodes=copied),
             say("anilist", episodes=say_it()), say("animeschedule", episodes=say_it())]
        )  # fmt: skip
    copies = learn(titles).fields["episodes"].copies
    assert copies[pair_name("kitsu", "anidb")] > 0.6
    assert copies[pair_name("kitsu", "anilist")] < 0.2


def test_two_sources_alone_do_not_tell_who_errs() -> None:
    """They contradict each other often; neither is thought the better one."""
    chance = random.Random(4)
    titles = [
        [say("jikan", episodes=12), say("kitsu", episodes=12 if chance.random() < 0.7 else 13)] for _ in range(500)
    ]
    model = learn(titles)
    first, second = (model.get_quality("episodes", source).accuracy for source in ("jikan", "kitsu"))
    assert first == pytest.approx(second, abs=0.02)


def test_known_truth_tells_who_errs() -> None:
    """With labelled fields the same two sources are told apart, and learning from more titles keeps that."""
    claims = [say("jikan", episodes=12), say("kitsu", episodes=13)]
    labelled = learn_labelled([LabelledField(claims, "episodes", 12)] * 100)
    model = learn([claims] * 500, prior=labelled)
    assert model.get_quality("episodes", "jikan").accuracy > 0.9
    assert model.get_quality("episodes", "kitsu").accuracy < 0.2


def test_lists_are_learned_with_both_kinds_of_error() -> None:
    """One source leaves out half, another adds what is not true; doubtful elements teach nothing."""
    claims = [say("jikan", genres=["action", "drama"]), say("kitsu", genres=["action", "mecha", "horror"])]
    model = learn_labelled([LabelledField(claims, "genres", ["action", "drama"], ["horror"])] * 200)
    jikan, kitsu = (model.get_quality("genres", source) for source in ("jikan", "kitsu"))
    assert jikan.left_out < 0.1
    assert kitsu.left_out == pytest.approx(0.5, abs=0.1)
    assert kitsu.added > 0.8 > 0.2 > jikan.added
    assert kitsu.label_left_out["drama"] > 0.8


def test_changes_are_learned_from_a_source_s_own_words() -> None:
    """While titles air their episodes change; what was said of finished ones is never taken for a change."""
    titles = [
        [
            say("jikan", episodes=4, status="ONGOING", days_ago=365),
            say("jikan", episodes=12, status="FINISHED"),
            say("kitsu", episodes=12),
        ]
    ] * 300
    field = learn(titles).fields["episodes"]
    assert field.change == 0
    assert field.change_airing == pytest.approx(1.0, abs=0.1)


def test_overrides_teach_nothing() -> None:
    """A person corrects what is wrong: counting that would make everybody a liar."""
    titles = list(draw_titles(50))
    corrected = [[*claims, say("override", episodes=1)] for claims in titles]
    assert learn(corrected).to_json() == learn(titles).to_json()


def test_learning_is_the_same_each_time() -> None:
    """No chance in it, and the order of a title's claims does not matter."""
    titles = list(draw_titles(200))
    assert learn(titles).to_json() == learn([list(reversed(claims)) for claims in titles]).to_json()


def test_what_was_known_before_stays() -> None:
    """Fields and sources that new titles say nothing of keep their figures."""
    before = MergeModel.default()
    after = learn(draw_titles(50), prior=before)
    assert after.fields["rating"] == before.fields["rating"]
    assert after.fields["episodes"].sources["catalogue"] == before.fields["episodes"].sources["catalogue"]
    assert after.titles == before.titles + 50


def test_a_model_goes_through_json() -> None:
    """Written and read again it says the same."""
    model = learn(draw_titles(100))
    again = MergeModel.from_json(model.to_json())
    assert again.to_json() == model.to_json()
    assert again.get_quality("episodes", "jikan").accuracy == pytest.approx(
        model.get_quality("episodes", "jikan").accuracy, abs=1e-4
    )


@pytest.mark.parametrize(
    "value", [{}, {"form": 2, "titles": 0, "fields": {}}, {"form": 1, "titles": 0, "fields": {"x": {}}}]
)
def test_another_form_is_refused(value: dict[str, object]) -> None:
    """By name, so that a stored model of another release is not half understood."""
    with pytest.raises(InvalidInputError, match="model"):
        MergeModel.from_json(value)


def test_the_default_model_knows_the_catalogue_and_the_large_sites() -> None:
    """It comes with the package, was learned from thousands of titles, and names no source that we do not ask."""
    model = MergeModel.default()
    assert model.titles > 10_000
    assert {"catalogue", "jikan", "kitsu"} <= set(model.fields["episodes"].sources)
    assert all("bangumi" not in source for field in model.fields.values() for source in field.sources)
