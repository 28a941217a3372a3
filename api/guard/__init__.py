"""Who may ask for what, and how often.

Invariant: no route is answered before `Guard.check` has let it pass, the short way of `api.repeat` included,
and what no table names is for admins only.
"""
