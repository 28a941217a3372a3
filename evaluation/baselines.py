"""What anybody could do without vectors: name the best known titles, or those that share genres or tags."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from evaluation.catalogue import Catalogue, Title

_LABELS = ("genres", "themes", "demographics", "tags")


class Baselines:
    """Rankings over the catalogue; equals in the order of popularity, then of slugs."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._popular = [title.slug for title in catalogue.by_popularity]
        self._places = {slug: place for place, slug in enumerate(self._popular)}
        self._genres = {title.slug: title.genres for title in catalogue.titles}
        self._labels = {title.slug: _get_labels(title) for title in catalogue.titles}
        self._by_genre = _invert(self._genres)
        self._by_label = _invert(self._labels)
        total = len(catalogue.titles)
        self._rarity = {label: math.log(total / len(slugs)) for label, slugs in self._by_label.items()}
        self._lengths = {
            slug: math.sqrt(sum(self._rarity[label] ** 2 for label in labels)) for slug, labels in self._labels.items()
        }

    def rank_by_popularity(self, without: frozenset[str], limit: int) -> tuple[str, ...]:
        """The best known titles."""
        return tuple(slug for slug in self._popular[: limit + len(without)] if slug not in without)[:limit]

    def rank_by_genres(self, slug: str, without: frozenset[str], limit: int) -> tuple[str, ...]:
        """By the Jaccard index of the genres."""
        own = self._genres[slug]
        shared = Counter(other for genre in own for other in self._by_genre[genre])
        scores = {other: count / len(own | self._genres[other]) for other, count in shared.items()}
        return self._take(scores, without, limit)

    def rank_by_tags(self, slug: str, without: frozenset[str], limit: int) -> tuple[str, ...]:
        """By the cosine of genres, themes, demographics and tags, each weighed by its rarity."""
        shared: dict[str, float] = defaultdict(float)
        for label in self._labels[slug]:
            for other in self._by_label[label]:
                shared[other] += self._rarity[label] ** 2
        length = self._lengths[slug]
        scores = {other: both / (length * self._lengths[other]) for other, both in shared.items() if both}
        return self._take(scores, without, limit)

    def _take(self, scores: Mapping[str, float], without: frozenset[str], limit: int) -> tuple[str, ...]:
        allowed = (slug for slug in scores if slug not in without)
        # Rounded: sums of the same numbers in another order shall be equals.
        return tuple(sorted(allowed, key=lambda slug: (-round(scores[slug], 9), self._places[slug]))[:limit])


def _get_labels(title: Title) -> frozenset[str]:
    return frozenset(label for field in _LABELS for label in title.document.get(field, []))


def _invert(labels: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    bearers: dict[str, list[str]] = defaultdict(list)
    for slug, own in labels.items():
        for label in own:
            bearers[label].append(slug)
    return bearers
