"""Labels from a language model: how educational a text is, 0 to 5, asked of an OpenAI-compatible endpoint."""
