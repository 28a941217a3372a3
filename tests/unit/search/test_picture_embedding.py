"""Vectors of query pictures: made once, kept by recipe and content, refused when they do not fit the index."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest

from core.errors import NoTextTowerError, OverloadedError
from core.query_picture import QueryPicture
from core.settings import Settings
from messaging.picture_call import EncodedPictures, PictureQueryItem, WordsItem, get_size
from search.dispatcher import Bounds, Dispatcher
from search.encoding import RecipeMismatchError
from search.pictures.embedding import PictureEmbedding, PictureOutcome, build_picture_key, encode_each_picture


class Encoder:
    """Counts what it is asked for; knows no words."""

    def __init__(self) -> None:
        self.asked: list[list[PictureQueryItem]] = []

    def encode(self, items: Sequence[PictureQueryItem], timeout_s: float) -> EncodedPictures:
        """The first byte of a picture as a vector."""
        self.asked.append(list(items))
        rows = [
            NoTextTowerError("set IMAGE_EMBEDDING_MODEL")
            if isinstance(item, WordsItem)
            else np.full(4, item.data[0], np.float32)
            for item in items
        ]
        return EncodedPictures("recipe", cast(Any, rows))


class Store:
    """Redis and its writer in memory; the writer writes at once."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """One value."""
        return self.values.get(key)

    def put(self, build: Any, *, size_bytes: int) -> bool:
        """Keep what is built."""
        self.values.update({key: value for key, (value, _) in build().items()})
        return True


def make(encoder: Encoder, store: Store, **settings: Any) -> PictureEmbedding:
    """A web process that has just begun."""
    dispatcher: Dispatcher[PictureQueryItem, PictureOutcome] = Dispatcher(
        lambda items, timeout_s: encode_each_picture(encoder, items, timeout_s), batch_max=8, queue_max=8, name="test"
    )
    return PictureEmbedding(
        Settings(_env_file=None, **settings),
        dispatcher=dispatcher,
        cache=cast(Any, store),
        writer=cast(Any, store),
    )


@pytest.fixture
def encoder() -> Encoder:
    """A worker."""
    return Encoder()


@pytest.fixture
def embedding(encoder: Encoder) -> Iterator[PictureEmbedding]:
    """The vectors of one process."""
    made = make(encoder, Store())
    yield made
    made.close()


def picture(value: int) -> QueryPicture:
    """A picture of one byte."""
    return QueryPicture(f"{value:064x}", bytes([value]), 1, 1)


def test_a_picture_is_encoded_once(embedding: PictureEmbedding, encoder: Encoder) -> None:
    """The second time its vector is known, whatever the bytes that travel."""
    first, was_known = embedding.embed(picture(3), recipe="recipe")
    again, is_known = embedding.embed(QueryPicture(picture(3).sha256, b"smaller", 9, 9), recipe="recipe")
    assert (was_known, is_known, len(encoder.asked)) == (False, True, 1)
    assert np.array_equal(first, again)


def test_another_process_finds_it_in_redis(encoder: Encoder) -> None:
    """Vectors outlive the process that had them made; without a life for them nothing is kept."""
    store = Store()
    for _ in range(2):
        embedding = make(encoder, store)
        vector, _ = embedding.embed(picture(5), recipe="recipe")
        assert vector.tolist() == [5.0] * 4
        embedding.close()
    assert len(encoder.asked) == 1
    unkept = make(encoder, empty := Store(), vector_cache_ttl_s=0)
    unkept.embed(picture(5), recipe="recipe")
    unkept.embed(picture(5), recipe="recipe")
    unkept.close()
    assert len(encoder.asked) == 3 and not empty.values


def test_keys_are_of_recipe_and_content() -> None:
    """No picture, text or recipe shares the place of another."""
    keys = {
        build_picture_key(item, recipe=recipe)
        for item in (picture(1), picture(2), WordsItem("red"), WordsItem("blue"))
        for recipe in ("a", "b")
    }
    assert len(keys) == 8


def test_vectors_of_another_recipe_are_refused(embedding: PictureEmbedding) -> None:
    """No answer is better than a wrong one, and nothing is remembered."""
    for _ in range(2):
        with pytest.raises(RecipeMismatchError, match="recipe recipe"):
            embedding.embed(picture(1), recipe="other")


def test_words_that_are_not_known_are_refused_alone(embedding: PictureEmbedding) -> None:
    """The worker's refusal reaches the caller as it is, and pictures are answered after it."""
    with pytest.raises(NoTextTowerError, match="IMAGE_EMBEDDING_MODEL"):
        embedding.embed(WordsItem("red"), recipe="recipe")
    assert embedding.embed(picture(2), recipe="recipe")[0].tolist() == [2.0] * 4


def test_a_batch_and_the_queue_are_bounded_by_weight() -> None:
    """Heavy keys travel a few at a time, one always does, and what is too much is refused at once."""
    entered, release = threading.Event(), threading.Event()
    batches: list[list[str]] = []

    def call(keys: list[str], timeout_s: float) -> list[str]:
        batches.append(keys)
        entered.set()
        release.wait(10)
        return keys

    dispatcher: Dispatcher[str, str] = Dispatcher(
        call, batch_max=8, queue_max=8, name="test", bounds=Bounds(len, batch_bytes=10, queue_bytes=40)
    )
    threads = [threading.Thread(target=dispatcher.get, args=("x" * 30,), kwargs={"timeout_s": 10})]
    threads[0].start()
    assert entered.wait(10)
    for key in ("aaaaaa", "bbb", "cccccccc", "dddddddddddd"):
        waiting = len(dispatcher._waiting)
        threads.append(threading.Thread(target=dispatcher.get, args=(key,), kwargs={"timeout_s": 10}))
        threads[-1].start()
        while len(dispatcher._waiting) == waiting:
            threading.Event().wait(0.001)
    with pytest.raises(OverloadedError):
        dispatcher.get("e" * 12, timeout_s=1)
    release.set()
    for thread in threads:
        thread.join(10)
    dispatcher.close()
    assert [[len(key) for key in batch] for batch in batches] == [[30], [6, 3], [8], [12]]


def test_weights_of_items_are_their_bytes() -> None:
    """What a batch of pictures weighs is what it takes on the wire."""
    assert get_size(QueryPicture("a" * 64, b"12345", 1, 1)) == 5


def test_a_picture_is_encoded_while_its_caller_does_something_else() -> None:
    """`begin` returns at once and the worker is asked; waiting for it later gives the vector."""
    encoder, asked = Encoder(), threading.Event()

    def call(items: list[PictureQueryItem], timeout_s: float) -> list[PictureOutcome]:
        asked.set()
        return encode_each_picture(encoder, items, timeout_s)

    dispatcher: Dispatcher[PictureQueryItem, PictureOutcome] = Dispatcher(call, batch_max=8, queue_max=8, name="test")
    store = cast(Any, Store())
    embedding = PictureEmbedding(Settings(_env_file=None), dispatcher=dispatcher, cache=store, writer=store)
    wait = embedding.begin(picture(7), recipe="recipe")
    assert asked.wait(10)
    vector, is_known = wait()
    embedding.close()
    assert vector.tolist() == [7.0] * 4 and not is_known
