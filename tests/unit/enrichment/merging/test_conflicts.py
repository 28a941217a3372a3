"""Contradictions: what they teach beyond how often each source is right."""

from __future__ import annotations

import pytest

from enrichment.merging import LabelledField, MergeModel, SourceClaims, learn_conflicts, learn_labelled
from tests.unit.enrichment.merging.claims import merge, say

BOTH = [say("jikan", episodes=12), say("kitsu", episodes=24)]


def label(truth: int, *claims: SourceClaims) -> LabelledField:
    """The episodes of a title of which they are known."""
    return LabelledField(claims, "episodes", truth)


def build_parts() -> list[list[LabelledField]]:
    """Kitsu tells easy titles alone and is always right; of hard ones, which both tell, Jikan is right more often."""
    easy = [label(12, say("kitsu", episodes=12))] * 100
    return [[*easy, *[label(12, *BOTH)] * 16, *[label(24, *BOTH)] * 4] for _ in range(5)]


def learn_both() -> tuple[MergeModel, MergeModel]:
    """By accuracies alone, and with what contradictions teach."""
    parts = build_parts()
    plain = learn_labelled(one for part in parts for one in part)
    return plain, learn_conflicts(plain, parts)


def test_who_is_right_in_contradictions_is_believed_there() -> None:
    """Not the one that is right more often over all, because it speaks of easy titles; and as surely as it was seen."""
    plain, learned = learn_both()
    assert merge("episodes", *BOTH, model=plain).value == 24
    found = merge("episodes", *BOTH, model=learned)
    assert found.value == 12
    share = found.confidence / (found.confidence + found.others[0].confidence)
    assert share == pytest.approx(0.8, abs=0.03)


def test_that_all_are_wrong_stays_as_probable() -> None:
    """Contradictions tell who of two is right, not whether one is."""
    before, after = (merge("episodes", *BOTH, model=model) for model in learn_both())
    total = [one.confidence + one.others[0].confidence for one in (before, after)]
    assert total[0] == pytest.approx(total[1])


def test_what_is_no_pair_is_decided_as_before() -> None:
    """One source alone, two that agree, and three: there a third word counts as what it is."""
    plain, learned = learn_both()
    for claims in (BOTH[:1], [BOTH[0], say("kitsu", episodes=12)], [*BOTH, say("anilist", episodes=24)]):
        assert merge("episodes", *claims, model=learned) == merge("episodes", *claims, model=plain)


def test_titles_that_teach_nothing_change_nothing() -> None:
    """Agreement, and contradictions of which nobody says what is true."""
    taught = [label(13, *BOTH), label(12, BOTH[0], say("kitsu", episodes=12))] * 20
    plain = learn_labelled(taught)
    assert learn_conflicts(plain, [taught, taught]) == plain


def test_a_few_contradictions_move_little() -> None:
    """Three of a kind do not make a rule: the odds are nearer to what they were than to what was seen."""
    parts = [[label(12, *BOTH)]] * 3
    field = learn_conflicts(MergeModel(), parts).fields["episodes"]
    assert 0 < field.in_conflict["jikan"] < 1
    assert field.in_conflict["jikan"] == pytest.approx(-field.in_conflict["kitsu"])


def test_learning_from_contradictions_is_the_same_each_time() -> None:
    """Whatever the order of titles, and after a way through JSON."""
    parts = build_parts()
    plain, learned = learn_both()
    again = learn_conflicts(plain, [list(reversed(part)) for part in parts])
    assert again.to_json() == learned.to_json()
    field = MergeModel.from_json(learned.to_json()).fields["episodes"]
    assert field.odds_weight == pytest.approx(learned.fields["episodes"].odds_weight, abs=1e-4)
    assert field.in_conflict.keys() == {"jikan", "kitsu"}


def test_a_third_source_that_agrees_makes_a_value_likelier() -> None:
    """With the default model, in every field that pairs were learned of."""
    for field, values in {"episodes": (12, 24), "type": ("TV", "ONA"), "year": (2005, 2007)}.items():
        first, second = values
        pair = [say("jikan", **{field: first}), say("kitsu", **{field: second})]
        alone = merge(field, *pair, model=MergeModel.default())
        joined = merge(field, *pair, say("anilist", **{field: second}), model=MergeModel.default())
        chance = {found.value: found.confidence for found in (alone, *alone.others)}[second]
        assert {found.value: found.confidence for found in (joined, *joined.others)}[second] > chance


def test_the_default_model_knows_contradictions() -> None:
    """It was learned with them, and names no source there that a service does not ask."""
    fields = MergeModel.default().fields
    assert {"jikan", "kitsu"} <= set(fields["type"].in_conflict)
    assert not any("bangumi" in source for field in fields.values() for source in field.in_conflict)
