"""From claims to titles: read what all sources say, merge, compute, check, write, and remember why.

Invariant: what is written is a valid document; a field of which nothing valid is known keeps what it had. Merging the
same inputs again writes nothing.
"""

from enrichment.titles.merger import MergeReport, TitleMerger
from enrichment.titles.models import ModelKeeper, UsedModel

__all__ = ["MergeReport", "ModelKeeper", "TitleMerger", "UsedModel"]
