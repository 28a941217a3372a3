"""Enrichment: what providers say of titles, linked, merged and explained.

Invariant: what a provider said is kept as it said it (claims), what we believe is made of it by a rule that anybody can
repeat, and a provider that fails, lies or changes its shape takes nothing away from what is known.
"""
