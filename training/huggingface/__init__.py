"""Hugging Face, both ways: LlamaForCausalLM folders into checkpoints and checkpoints into folders, streamed."""
