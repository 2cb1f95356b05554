# Included by the Makefile: the peers' own environment, and the comparison.
PEERS := build/peers
PYTHON ?= python3

.PHONY: bench-peers bench

bench-peers: $(PEERS)/.installed

$(PEERS)/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement benchmarks/peers.txt
	touch $@

bench: bench-peers
	PYTHONPATH=. $(PYTHON) benchmarks/simulator.py --json build/simulator.json
