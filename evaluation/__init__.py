"""How well we search: gold sets made from facts, metrics with significance, and what the index costs.

Everything is deterministic: the same index, data and seed give the same figures. Nothing here writes anywhere.
"""
