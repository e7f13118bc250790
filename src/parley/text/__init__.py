"""Class descriptions and their word vectors."""
