"""What ships inside: demo dictionaries, stimuli and tables, each with a card."""
