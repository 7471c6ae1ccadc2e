# All targets need Go alone, except where they say Java.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.5.0
GOLICENSES = github.com/google/go-licenses@v1.6.0
BENCHSTAT = golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
# What may be in the binary: licences that ask for no more than their text.
LICENSES = Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,Unlicense
# What the race detector runs over: all but the tests on real servers.
RACE = ./processor/... ./statestore/... ./schemas/... ./query/... ./deadletter/... ./audit/... \
	./internal/... ./pipelines/... \
	./cmd/... ./examples/...
# What has tests that need franz-go built for simulated time.
SIMULATED = ./integration/sim ./internal/sim ./processor/processortest ./examples/...
SERVERS = $(or $(PAWL_SERVERS_DIR),.servers)
FUZZTIME ?= 30s
DEMO ?= --duration 30s --rate 5000
CHAOS ?= --duration 1m
BENCH ?= --events 1000000
SWEEP ?= --repeat 3
SWEEP_FILE ?= bin/sweep.jsonl
SWEEP_PLOTS ?= bin/plots
PEERS ?= --events 2000000 --runs 3
VIEWS ?= --events 1000000 --runs 3
# The same number of rounds each time, or what is forgotten in them differs and allocations with it.
STAGES = $(GO) test ./processor -run '^$$' -bench '^BenchmarkStage' -benchtime 3x -count 6 \
	-timeout 20m
HOURS ?= 8
SEEDS ?= 1000
SEED ?= 1
PIPELINES = $(addprefix ./pipelines/,fraud iot activity pageviews funnel)
SRC = $(shell $(GO) list -f '{{.Dir}}' ./...)

.DEFAULT_GOAL := help
.PHONY: help build test race sim simulated mutants lint rules deploy tidy golden fuzz servers \
	integration browser screenshots demo chaos soak bench bench-record bench-fraud bench-peers \
	bench-views sweep plots sbom vuln licenses clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/pawl
	$(GO) build -o bin/pawl ./cmd/pawl

test: ## Vet and run all tests; those on real servers are skipped where there are none
	$(GO) vet ./...
	@test -f $(SERVERS)/stamp || echo "tests on real servers are skipped: make servers fetches them"
	$(GO) test -timeout 10m ./...

race: ## Run the tests under the race detector, without those on real servers
	$(GO) test -race -timeout 20m $(RACE)

sim: ## Simulate SEEDS (1000) seeds from SEED (1) on; the first that fails ends it
	@$(GO) test -tags synctests -c -o bin/sim.test ./integration/sim
	@PAWL_SIM_SEEDS=$(SEEDS) PAWL_SIM_SEED=$(SEED) bin/sim.test

simulated: ## Run the tests that need the tag synctests
	$(GO) vet -tags synctests $(SIMULATED)
	$(GO) test -count=1 -tags synctests -run 'Seed|Bites|Faults|Frozen|Killed|Simulate' $(SIMULATED)

mutants: ## Put each seeded bug into the engine and have the simulation catch it
	@$(GO) test -tags synctests,pawlmutants -count=1 -timeout 60m -run '^TestMutants$$' -v ./integration/sim

lint: ## gofmt, go vet and staticcheck
	@out=$$(gofmt -l $(SRC)); if [ -n "$$out" ]; then echo "not gofmt'd:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

rules: ## Check the alert rules and run their unit tests (promtool, of Debian's prometheus)
	@command -v promtool >/dev/null || { echo "rules are not tested: promtool is missing;" \
		"install Debian's prometheus"; test -z "$$PAWL_REQUIRE_PROMTOOL"; exit; }; \
	promtool check rules deploy/prometheus/pawl.rules.yaml && \
		promtool check config deploy/prometheus/prometheus.yaml && \
		promtool test rules deploy/prometheus/pawl.rules.test.yaml

deploy: ## Check image, compose files, Helm chart and systemd unit (the first time takes minutes)
	cd deploy/check && $(GO) vet . && $(GO) test -count=1 .

sbom: build ## Write the bill of materials of bin/pawl, CycloneDX JSON, to bin/pawl.cdx.json
	@bin/pawl version --sbom > bin/pawl.cdx.json
	@echo "bin/pawl.cdx.json: $$(grep -c '"type": "library"' bin/pawl.cdx.json) modules"

vuln: ## Look for known vulnerabilities that bin/pawl can reach (asks https://vuln.go.dev)
	@if out=$$($(GO) run $(GOVULNCHECK) ./cmd/pawl 2>&1); then echo "$$out"; else echo "$$out"; \
		case $$out in *'fetching vulnerabilities: Get "https://vuln.go.dev/'*) \
		echo "vuln is skipped: the database of vulnerabilities cannot be reached"; \
		test -z "$$PAWL_REQUIRE_VULN";; *) exit 1;; esac; fi

licenses: ## Check that all that is in bin/pawl has a licence of LICENSES
	@out=$$(GOROOT=$$($(GO) env GOROOT) $(GO) run $(GOLICENSES) check ./cmd/pawl \
		--allowed_licenses=$(LICENSES) 2>&1) || { echo "$$out"; exit 1; }
	@echo "licenses: all of $(LICENSES)"

tidy: ## Check the house rules
	$(GO) test ./internal/tidy

golden: ## Rewrite what tests compare with: tables of docs/reference.md, docs/configuration.md, *.script
	$(GO) test ./cmd/pawl -run '^TestReference$$' -update
	$(GO) test ./internal/settings -run '^TestConfigurationPage$$' -update
	$(GO) test ./processor/processortest $(PIPELINES) -run '^TestScript$$' -pawl.update

fuzz: ## Fuzz the decoder of untrusted bytes for FUZZTIME (30s)
	$(GO) test ./schemas -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME)

servers: ## Fetch Apache Kafka and Apicurio into .servers (Java 17, Maven; once)
	sh integration/harness/servers/fetch.sh

integration: servers ## Run the tests on real servers; none may be skipped (Java 17)
	PAWL_REQUIRE_SERVERS=1 $(GO) test -count=1 -p 1 -timeout 30m ./integration/...

browser: ## Test the dashboard in real Chromium (Debian's chromium)
	PAWL_REQUIRE_CHROMIUM=1 $(GO) test -count=1 -timeout 10m ./integration/browser

screenshots: ## Write a picture of every page of the dashboard into bin/screenshots (Chromium)
	@PAWL_REQUIRE_CHROMIUM=1 PAWL_SCREENSHOTS=$(CURDIR)/bin/screenshots $(GO) test -count=1 \
		-timeout 10m ./integration/browser -run '^TestScreenshots$$'
	@echo "$$(ls bin/screenshots/*.png | wc -l) pictures are in $(CURDIR)/bin/screenshots"

demo: ## Run the demo; DEMO='--duration 30s --rate 5000'
	$(GO) run ./cmd/pawl demo $(DEMO)

chaos: ## Have faults done to running pipelines; CHAOS='--broker local --duration 10m'
	$(GO) run ./cmd/pawl chaos $(CHAOS)

soak: build servers ## Simulation and chaos in turn for HOURS (8), each time with a new seed (Java 17)
	@end=$$(($$(date +%s) + $(HOURS) * 3600)); while now=$$(date +%s); [ $$now -lt $$end ]; do \
		$(MAKE) --no-print-directory sim SEEDS=20000 SEED=$$((now * 100000)) && \
		bin/pawl chaos --broker local --duration 30m --seed $$now --report bin/soak-$$now.json || \
		exit 1; done

bench: ## Measure each stage of a record's path (minutes); compare with docs/bench/stages.txt
	@mkdir -p bin
	@$(STAGES) > bin/stages.txt || { cat bin/stages.txt; exit 1; }
	@$(GO) run $(BENCHSTAT) -filter '.unit:(ns/event OR cpu-ns/event OR B/event OR allocs/event)' \
		recorded=docs/bench/stages.txt now=bin/stages.txt

bench-record: ## Measure the stages and record that as what `make bench` compares with
	@mkdir -p bin docs/bench
	@$(STAGES) > bin/stages.txt || { cat bin/stages.txt; exit 1; }
	@cp bin/stages.txt docs/bench/stages.txt
	@grep '^cpu:' docs/bench/stages.txt

bench-fraud: ## Run fraud over a preloaded input; BENCH='--events 1000000 --kafka … --registry …'
	$(GO) run ./cmd/pawl bench fraud $(BENCH)

bench-peers: build servers ## Pawl beside Kafka Streams, goka, Quix; PEERS='--events 2000000 --runs 3'
	@$(GO) build -o bin/contest ./integration/peer/speed/contest
	@PAWL_SERVERS_DIR=$(SERVERS) bin/contest $(PEERS)

bench-views: build servers ## Windows in Pawl and in Kafka Streams; VIEWS='--events 1000000 --runs 3'
	$(GO) run ./integration/peer/views/contest $(VIEWS)

sweep: servers ## Measure costs over a grid of points, fit the cost model, draw it (Java 17)
	@mkdir -p $(dir $(SWEEP_FILE))
	$(GO) run ./integration/sweep run $(SWEEP_FILE) $(SWEEP)
	$(GO) run ./integration/sweep fit $(SWEEP_FILE)
	$(GO) run ./integration/sweep plot $(SWEEP_FILE) $(SWEEP_PLOTS)

plots: ## Check the module that draws the plots of a sweep
	cd integration/sweep/draw && $(GO) vet . && $(GO) test -count=1 .

clean: ## Remove what was built; .servers stays
	rm -rf bin
