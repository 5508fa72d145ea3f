"""The log folded again: whether everything that follows from it is as it must be."""
