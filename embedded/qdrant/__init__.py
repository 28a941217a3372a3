"""A small server that speaks Qdrant's REST protocol over the in-process engine `qdrant_edge`.

The product uses the ordinary `qdrant_client` with a URL and cannot tell the difference, except that whatever
is not served here answers 501 and names what is missing: never a wrong answer. For laptops, tests and demos.
Run it with `python -m embedded.qdrant --path DIR --port N`; see docs/decisions/0002-embedded-qdrant.md.
"""
