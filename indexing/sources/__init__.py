"""Catalogue files -> documents. One reader for bytes, one translation for each shape of record."""
