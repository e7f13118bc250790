"""Export dialogues to the formats of other tools."""
