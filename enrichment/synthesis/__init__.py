"""One synopsis from several sources' synopses, by a language model behind an OpenAI-compatible endpoint. Optional.

Invariant: what the model says is data like any other source's, checked against the texts that it was given, and nothing
depends on it: whatever it does, titles are merged without it.
"""

from enrichment.synthesis.service import Synthesiser, build_synthesiser

__all__ = ["Synthesiser", "build_synthesiser"]
