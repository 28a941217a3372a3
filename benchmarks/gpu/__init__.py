"""Benchmarks that mean something only with a GPU. Without one each says that it was not run."""
