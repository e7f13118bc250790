"""What a person looks at: figures, the report page and the dialogue browser."""
