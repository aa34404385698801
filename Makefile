# Each target sets up what it needs itself, on a Debian-like machine with Python 3.11 or newer.
# What is slow is cached: the virtual environment in .venv, Debian packages on the machine, what is built from Go
# modules in ~/.cache/metalpy-lab.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SANDBOX := $(BIN)/python -m tests.lab.sandbox
BENCHES := allocation convert arp arp_flat ndp storm bgp_bulk bgp_one bulk quiet
# Compare with peers that take minutes: not part of make test.
LONG_BENCHES := memory busy
LAB_PARTS := kube-apiserver kubectl etcd metallb-0.11 metallb-0.15
ROUTER_PARTS := gobgp
LANES ?= 2
FUZZ_DOCUMENTS ?= 200000
HISTORIES ?= 500
KILLS ?= 100
OUTAGES ?= 10
MOVED ?= 200
BGP_KILLS ?= 50
BGP_RESTARTS ?= 20
BGP_CUT ?= 60
FUZZ_FRAMES ?= 1000000
FUZZ_CONVERSIONS ?= 10000

# The tests start daemons hundreds of times, each of which would compile what an image has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install packages lab demo demo-bgp test test-unit test-lan test-bgp test-seeds test-cluster test-nodes test-long routers nodes cluster cluster-down \
	check runtime bench bench-quick fuzz wire clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv with metalpy and everything its tests and benchmarks need from PyPI

$(READY): setup.cfg pyproject.toml constraints.txt
	@tests/lab/packages.sh
	@echo "== making $(VENV) =="
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

packages: install
	@tests/lab/packages.sh

lab: packages ## Get the lab's parts: Kubernetes, etcd and MetalLB from Go modules; 15 minutes the first time
	@$(BIN)/python -m tests.lab.build $(LAB_PARTS)

routers: packages ## Get the routers of the BGP tests: gobgpd from a Go module, FRR and BIRD from Debian; 3 minutes the first time
	@tests/lab/packages.sh bgp
	@$(BIN)/python -m tests.lab.build $(ROUTER_PARTS)

nodes: lab ## Get what real nodes are made of, and build the image; 3 minutes the first time
	@tests/lab/packages.sh nodes
	@$(BIN)/python -m tests.lab.nodes.images

cluster: nodes ## Start a real cluster of two nodes in the background, to try things on; needs root
	@$(BIN)/python -m tests.lab.nodes up

cluster-down: install ## End it
	@$(BIN)/python -m tests.lab.nodes down

demo: packages ## Play the tutorials' story on a LAN of network namespaces
	@$(BIN)/python -m tests.seeds.demo

demo-bgp: install ## The same with BGP: a real FRR as the router, gobgpd on each node
	@tests/lab/packages.sh bgp
	@$(BIN)/python -m tests.seeds.demo_bgp

# The tiers of real daemons wait more than they work, so LANES of them run side by side, those that take longest first;
# each shows its output when it is done. A third makes two cores so busy that tests run into their deadlines.
test: check test-unit lab routers nodes ## Everything that a change must pass
	@echo "== $(LANES) at a time: cluster, seeds, bgp, nodes, lan =="
	@$(MAKE) --no-print-directory --jobs=$(LANES) --output-sync=target test-cluster test-seeds test-bgp test-nodes test-lan
	@$(MAKE) --no-print-directory bench-quick

check: install ## Lint, format, types, and that imports point one way
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test-unit: install ## Pure tests: no root, no network
	$(BIN)/pytest -n logical tests/unit

test-lan: packages ## Real frames in network namespaces
	$(SANDBOX) $(BIN)/pytest tests/lan --ignore=tests/lan/bgp

test-bgp: routers ## Real routers there, and gobgpd
	$(SANDBOX) $(BIN)/pytest tests/lan/bgp

test-seeds: lab routers ## The tutorials' stories, whole
	$(SANDBOX) $(BIN)/pytest tests/seeds

test-cluster: lab ## A real API server, also beside MetalLB 0.11.0
	$(BIN)/pytest tests/cluster

test-nodes: nodes routers ## deploy/ in real pods on real nodes, seen from the LAN; needs root
	$(SANDBOX) $(BIN)/pytest tests/nodes

test-long: lab routers ## HISTORIES beside MetalLB 0.11.0, KILLS of the controller, OUTAGES of the API server, MOVED to MetalLB 0.15.2, BGP_*; an hour
	METALPY_HISTORIES=$(HISTORIES) METALPY_KILLS=$(KILLS) METALPY_OUTAGES=$(OUTAGES) METALPY_MOVED=$(MOVED) \
		$(BIN)/pytest tests/cluster/test_beside_the_legacy.py tests/cluster/test_crash.py tests/cluster/test_migration.py
	METALPY_BGP_KILLS=$(BGP_KILLS) METALPY_BGP_RESTARTS=$(BGP_RESTARTS) METALPY_BGP_CUT=$(BGP_CUT) \
		$(SANDBOX) $(BIN)/pytest -rP tests/lan/bgp/test_faults.py

runtime: install
	@$(BIN)/python -m tests.lab.runtime

bench: lab routers runtime ## Measure: one JSON object a line, ratios against peers and limits of the same run
	@for name in $(BENCHES) $(LONG_BENCHES); do $(BIN)/python -m tests.bench.$$name || exit 1; done

bench-quick: lab routers runtime ## The benchmarks, shortened
	@for name in $(BENCHES); do $(BIN)/python -m tests.bench.$$name --quick || exit 1; done

fuzz: install ## Feed mutated configurations, frames and custom resources to parser, responders and the converter's proof; an hour
	FUZZ_DOCUMENTS=$(FUZZ_DOCUMENTS) $(BIN)/pytest tests/unit/config/test_mutations.py --timeout 3600
	FUZZ_FRAMES=$(FUZZ_FRAMES) $(BIN)/pytest tests/unit/layer2/test_fuzzed_frames.py --timeout 3600
	FUZZ_CONVERSIONS=$(FUZZ_CONVERSIONS) $(BIN)/pytest tests/unit/configmaptocrs/test_properties.py --timeout 3600

wire: install ## Generate the stubs of gobgpd's API from metalpy/bgp/wire/gobgp4.proto
	$(BIN)/python -m tests.lab.wire

clean: ## Remove everything that was made here
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find metalpy configmaptocrs tests -name __pycache__ -type d -prune -exec rm -rf {} +
