"""The names of all titles, in memory: which title does a text name, and which names does it begin?"""
