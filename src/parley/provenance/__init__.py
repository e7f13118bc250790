"""Where files come from: what each job leaves on record, and what can be told of it afterwards."""
