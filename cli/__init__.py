"""`avs`, the command line: thin commands over the same services and addresses that everything else uses.

Invariant: `avs --help` imports no command; a command imports torch only if it encodes.
"""
