"""The composition root of the command line: the few services that commands use, for the stack that runs."""

from __future__ import annotations

from dataclasses import dataclass

import stamina

from core.log import configure_logging
from core.settings import Settings, load_settings
from indexing.generations import GenerationService
from indexing.importing import Importer
from indexing.jobs import JobService
from messaging.app import create_sender
from messaging.hints import HintSender
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.session import Database
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.vectors.store import VectorStore


@dataclass(frozen=True, slots=True)
class CommandServices:
    """What commands that start or watch jobs need."""

    settings: Settings
    database: Database
    job_repository: JobRepository
    jobs: JobService
    hints: HintSender
    titles: TitleRepository


def build_command_services() -> CommandServices:
    """Connects at first use only. Raises ConfigurationError for wrong settings."""
    settings = load_settings()
    # A command's own output is for its user; what goes wrong is told by its exit code and one line.
    configure_logging(settings.model_copy(update={"log_level": "WARNING"}))
    stamina.instrumentation.set_on_retry_hooks(())
    database = Database(settings.database_url.get_secret_value())
    store = VectorStore(settings, timeout_s=60)
    job_repository, titles = JobRepository(database), TitleRepository(database)
    hints = HintSender(create_sender(settings))
    jobs = JobService(
        settings=settings,
        jobs=job_repository,
        stages=StageRepository(database),
        titles=titles,
        ledger=LedgerRepository(database),
        generations=GenerationService(GenerationRepository(database), store, alias=settings.qdrant_collection_name),
        store=store,
        importer=Importer(database, titles, job_repository),
        hints=hints,
    )
    return CommandServices(settings, database, job_repository, jobs, hints, titles)
