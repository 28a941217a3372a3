"""What goes over the wire, a module a part of the API.

Requests are validated by these; answers are described by them and never re-validated.
"""
