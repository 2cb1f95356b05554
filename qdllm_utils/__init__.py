"""The package behind the reproducible paper of QD-LLM; the notebooks import from its five wings."""
