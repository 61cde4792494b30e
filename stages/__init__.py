"""callsmith: curate -> format -> split -> train -> predict -> evaluate -> plot."""
