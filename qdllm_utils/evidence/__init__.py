"""Rows, their provenance, and the tables and figures made of them."""
