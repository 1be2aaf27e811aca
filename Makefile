# Everything that is done more than once. `make` alone lists it.
# Needs Go and, for tests and run, a PostgreSQL installation. Tools are pinned in tools/go.mod.

TOOL := go tool -modfile=tools/go.mod
BENCH ?= .
FUZZTIME ?= 20s
ARGS ?=
SEEDS ?= 30
RUNS ?= 5
PROTO_DIRS := actors/messages cluster/nodes

.DEFAULT_GOAL := help
.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start a node on http://127.0.0.1:8080 (ARGS="help" for the other commands)
	go run ./cmd/boxoffice $(ARGS)

.PHONY: cluster
cluster: ## run three nodes as one service on http://127.0.0.1:8081 to 8083 (ARGS="-haproxy deploy/haproxy.cfg" puts a balancer on 8080)
	@go build -o bin/boxoffice ./cmd/boxoffice
	@go build -o bin/boxcluster ./cmd/boxcluster
	@exec bin/boxcluster -binary bin/boxoffice $(ARGS)

.PHONY: build
build: ## build bin/boxoffice, a static binary
	CGO_ENABLED=0 go build -ldflags='-s -w' -o bin/boxoffice ./cmd/boxoffice

.PHONY: test
test: ## run all tests
	go test ./...

.PHONY: test-race
test-race: ## run all tests with the race detector, as CI does
	go test -race ./...

.PHONY: lint
lint: ## check formatting, imports, the dependency rule and common mistakes
	$(TOOL) golangci-lint run ./...

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt ./...

.PHONY: generate
generate: ## make generated code anew
	for dir in $(PROTO_DIRS); do go -C tools run ./protoc ../$$dir || exit 1; done

.PHONY: check-generated
check-generated: ## fail unless generated code is current
	@out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && \
	for dir in $(PROTO_DIRS); do \
		mkdir -p "$$out/$$dir" && go -C tools run ./protoc ../$$dir "$$out/$$dir" || exit 1; \
		for file in "$$out/$$dir"/*; do diff -u $$dir/"$${file##*/}" "$$file" || { echo 'run: make generate' >&2; exit 1; }; done; \
	done

.PHONY: tidy
tidy: ## bring go.mod and go.sum up to date
	go mod tidy
	go -C tools mod tidy

.PHONY: check
check: check-generated lint test-race ## what a change must pass

.PHONY: bench
bench: ## measure the service beside a row-lock server and bare handlers (ARGS="-rounds 1 sellout")
	go run ./bench $(ARGS)

.PHONY: bench-go
bench-go: ## run the Go benchmarks (BENCH=pattern)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: bench-waiting-room
bench-waiting-room: ## measure a waiting room of a million (ARGS="-waiting 100000 -streams 1000")
	go run ./bench/waitingroom $(ARGS)

.PHONY: fuzz
fuzz: ## fuzz every decoder for FUZZTIME (20s) each
	@go list -f '{{.Dir}}' ./... | while read -r dir; do \
		for target in $$(cat "$$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime '$(FUZZTIME)' "$$dir" || exit 1; \
		done; \
	done

.PHONY: chaos
chaos: ## break three nodes for a minute with each of SEEDS (30) seeds, and judge what they did
	go run ./chaos -seeds 1-$(SEEDS) -minutes 1 -faults all -tags failpoint

.PHONY: figures
figures: ## measure what a fault costs the clients of three nodes, RUNS (5) times each
	go run ./chaos figures -runs $(RUNS)

.PHONY: cover
cover: ## run all tests and write coverage.html
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -html=coverage.out -o coverage.html
	@go tool cover -func=coverage.out | tail -n 1

.PHONY: docker
docker: ## build the image boxoffice
	docker build -t boxoffice .

.PHONY: up
up: ## start Postgres, NATS, three nodes and a load balancer in containers
	docker compose up --build

.PHONY: clean
clean: ## remove what was built (not .boxoffice, which holds data)
	rm -rf bin coverage.out coverage.html
