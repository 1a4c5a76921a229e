"""`tercet train`: an agent that learns to work parents, kept as a policy file."""
