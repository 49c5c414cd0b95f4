"""Perplexity of texts under a 5-gram model of good prose, as CCNet has it."""
