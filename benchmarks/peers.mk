# Included by the Makefile: the peers' own environments, one for each list of packages here, and the comparison.
PEERS := peers peers-torch peers-torchquantum peers-catalyst peers-texts

.PHONY: bench-peers bench

bench-peers: $(PEERS:%=build/%/.installed)

build/peers%/.installed: benchmarks/peers%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

build/peers/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

bench: bench-peers $(INSTALLED)
	$(BIN)/python benchmarks/simulator.py --json build/simulator.json
