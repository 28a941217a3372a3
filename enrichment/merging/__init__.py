"""Merging by truth discovery: each field's most probable value, why, and how sure that is.

Pure: claims in, a title out; no clock, no chance, no database. See docs/decisions/0017-merging.md.
"""

from enrichment.merging.claims import MergedField, MergedTitle, SourceClaims, Weighed
from enrichment.merging.conflicts import learn_conflicts
from enrichment.merging.counting import LabelledField
from enrichment.merging.learning import learn, learn_labelled
from enrichment.merging.merging import merge_title
from enrichment.merging.model import MergeModel

__all__ = [
    "LabelledField",
    "MergeModel",
    "MergedField",
    "MergedTitle",
    "SourceClaims",
    "Weighed",
    "learn",
    "learn_conflicts",
    "learn_labelled",
    "merge_title",
]
