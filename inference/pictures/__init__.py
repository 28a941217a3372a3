"""Pictures -> unit vectors: OpenCLIP models, a classical descriptor that needs no weights, and a fake for tests."""
