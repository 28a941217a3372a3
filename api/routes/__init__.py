"""One module a part of the API; each builds its blueprint from the services that it calls."""
