"""The sample corpus of the repository and the program that makes it. Nothing else imports this package."""
