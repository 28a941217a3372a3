"""Postgres: titles, jobs, stage rows, the embedding ledger, generations and dead letters."""
