"""Celery settings, queue names, sending by name and the synchronous call.

Invariant: loads no task code, so the API and the command line can put work in without torch.
"""
