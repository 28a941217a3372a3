"""How well enrichment reads, links and merges, measured on recorded answers and snapshots of real providers."""
