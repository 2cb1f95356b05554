"""Texts to vectors and teacher logits: data, corpora, embeddings, teachers."""
