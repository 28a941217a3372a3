"""What the service answers, as typed values, a module a part of the API."""
