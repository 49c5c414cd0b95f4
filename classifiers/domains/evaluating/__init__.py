"""How far a classifier of domains can be trusted, on texts of one's choice: figures, a page, the model's card."""
