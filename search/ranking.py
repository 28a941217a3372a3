"""The tables of ranking: which vectors a search uses by itself, and how they are weighed. The only place for them.

Rank fusion as Qdrant computes it: a title at position p (from 0) of a list with weight w adds
1 / ((p + 1) / w + k - 1). So a weight stretches ranks, it does not scale shares, and k and the weights are one choice.
How the values were chosen, and how to choose them again for another encoder: docs/decisions/0007-fusion-defaults.md.
"""

from __future__ import annotations

from core.vectors import (
    CHARACTER_IMAGE_VECTOR,
    IMAGE_VECTOR,
    LEXICAL_VECTOR,
    METADATA_VECTOR,
    PICTURE_VECTORS,
    TEXT_VECTORS,
)

# Candidates that each vector brings into the fusion: a title far down one list may lead the other. Few steps, since
# ranks depend on the depth: pages of one depth join without gap or overlap.
CANDIDATE_DEPTHS = (128, 1_024, 10_000)

# A search by text: meaning first, exact words beside it, and what the text says by rules where it says something.
TEXT_FUSION = "dbsf"
TEXT_RRF_K = 2
TEXT_WEIGHTS: dict[str, float] = {"title_vector": 1.0, LEXICAL_VECTOR: 3.0, METADATA_VECTOR: 1.0}
TEXT_POPULARITY = 1.0

# Titles like a title.
SIMILAR_FUSION = "dbsf"
SIMILAR_RRF_K = 60
SIMILAR_WEIGHTS: dict[str, float] = {
    "title_vector": 1.0,
    "genre_vector": 1.0,
    LEXICAL_VECTOR: 2.0,
    METADATA_VECTOR: 1.0,
}
SIMILAR_POPULARITY = 2.5
# What titles gain that are like the reference in a plain fact: form, time, and that viewers like them.
SAME_TYPE_BOOST = 0.5
# (years to either side, gain); a title within the narrower span gains both.
YEAR_BOOSTS = ((3, 0.2), (8, 0.5))
GOOD_SCORE_BOOST = (7.0, 0.75)

# Titles by a picture: the better of both vectors, so that the title of a known picture cannot be outdone by titles that
# are middling in both. Choices and measurements: docs/decisions/0013-picture-search.md.
PICTURE_FUSION = "max"
PICTURE_WEIGHTS: dict[str, float] = {IMAGE_VECTOR: 1.0, CHARACTER_IMAGE_VECTOR: 1.0}
PICTURE_POPULARITY = 0.0
# TITLE_PICTURES=group: pictures looked at for each title wanted, since several may be of one title.
GROUPED_DEPTH_FACTOR = 8
# By text and by picture: how much each side counts.
SIDE_WEIGHTS = (0.5, 0.5)
# How the scores of the two sides become comparable: what stands for the rules in the fingerprint of a plan.
SIDE_RULES = "distribution-1"

# Distribution-based fusion knows no weights: a list of weight 2 takes part twice.
DBSF_WEIGHTS = (1.0, 2.0, 3.0)
# Linear fusion brings the scores of sparse vectors between 0 and 1: this score counts as one half.
SPARSE_HALF: dict[str, float] = {LEXICAL_VECTOR: 10.0, METADATA_VECTOR: 3.0}

# Vectors that the caller names: any weights are right, and nothing is added to what they say.
NAMED_FUSION = "rrf"
NAMED_WEIGHT = 1.0
WEIGHT_MAX = 100.0
# Far above whatever vectors and boosts can give, so that a named title comes first.
PIN_SCORE = 1_000.0
# More than vectors and boosts can give, so that named titles keep their order.
PIN_STEP = 50.0
# With diversity: candidates for each place on the page, and never fewer or more than these.
DIVERSITY_POOL_FACTOR = 5
DIVERSITY_POOL = (100, 1_000)

# A text makes queries for these; the others need a picture or a history.
SEARCHABLE_VECTORS = (*TEXT_VECTORS, LEXICAL_VECTOR, METADATA_VECTOR)
# A title has pictures of its own to compare by.
COMPARABLE_VECTORS = (*SEARCHABLE_VECTORS, *PICTURE_VECTORS)
