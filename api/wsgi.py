"""The application that gunicorn loads: `api.wsgi:app`."""

from __future__ import annotations

from api.app import create_app
from api.services import build_services
from core.log import configure_logging
from core.settings import get_settings

settings = get_settings()
configure_logging(settings)
services = build_services(settings)
app = create_app(services)
