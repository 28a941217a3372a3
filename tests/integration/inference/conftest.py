"""Tiny checkpoints that are built here, since no model hub is reached in tests: the loading code is the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import Settings

TEXT = (
    "giant robots fight on the moon while a girl with a notebook keeps a quiet cafe in the walled city of titans and "
    "pirates sail for treasure school romance dark psychological thriller slice of life space western"
)
WORDS = TEXT.split(" ")


def build_settings(**values: object) -> Settings:
    """Settings without a `.env` of the developer's, computing in float32 unless told otherwise."""
    return Settings(_env_file=None, **{"model_precision": "fp32", **values})  # type: ignore[arg-type, call-arg]


@pytest.fixture(scope="session")
def tiny_xlm_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer XLM-RoBERTa of random weights and its unigram tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("tiny-xlm-roberta")
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator([" ".join(WORDS), *WORDS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(5)
    config = XLMRobertaConfig(
        vocab_size=len(wrapped),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        # Larger than usual, so that random states differ from text to text.
        initializer_range=0.5,
    )
    XLMRobertaModel(config).eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bge_m3(tiny_xlm_roberta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with BGE-M3's two heads."""
    import shutil

    import torch

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-bge-m3"
    shutil.copytree(tiny_xlm_roberta, folder)
    torch.manual_seed(6)
    torch.save(torch.nn.Linear(32, 32).state_dict(), folder / "colbert_linear.pt")
    torch.save(torch.nn.Linear(32, 1).state_dict(), folder / "sparse_linear.pt")
    return folder


@pytest.fixture(scope="session")
def tiny_max_pooling(tiny_xlm_roberta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model that cannot be run directly (max pooling) and has prompts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-max-pooling"
    model = SentenceTransformer(
        modules=[Transformer(str(tiny_xlm_roberta)), Pooling(32, pooling_mode="max")],
        device="cpu",
        prompts={"query": "girl: ", "document": "city: "},
    )
    model.save(str(folder))
    return folder
