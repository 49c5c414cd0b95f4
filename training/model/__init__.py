"""The model: shape, parameter count, GPTModel from a recipe, initial weights that no layout changes."""
