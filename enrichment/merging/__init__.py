"""From claims to one value a field: truth discovery, provenance, quality. Deterministic; no input, no output."""
