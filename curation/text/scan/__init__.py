"""Scans of a text's characters by compiled kernels, apart from the rest so that only they are compiled anew."""
