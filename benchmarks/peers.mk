# Included by the Makefile: the peers' own environment, and the comparison.
PEERS := build/peers

.PHONY: bench-peers bench

bench-peers: $(PEERS)/.installed

$(PEERS)/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement benchmarks/peers.txt
	touch $@

bench: bench-peers $(INSTALLED)
	$(BIN)/python benchmarks/simulator.py --json build/simulator.json
