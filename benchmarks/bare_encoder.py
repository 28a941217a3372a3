"""The baseline of (a): MiniLM through its library's default call, on passages in the order given."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sentence_transformers import SentenceTransformer

from inference.model_files import find_model


def main() -> None:
    """Encode the JSON list of texts in the file named on the command line; print seconds and count."""
    passages = json.loads(Path(sys.argv[1]).read_text())
    model = SentenceTransformer(str(find_model("minilm", revision="main").folder), device="cpu")
    model.encode(passages[:8])
    started = time.monotonic()
    model.encode(passages)
    seconds = time.monotonic() - started
    print(json.dumps({"passages": len(passages), "seconds": seconds, "passages_per_s": len(passages) / seconds}))


if __name__ == "__main__":
    main()
