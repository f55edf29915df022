# Everything works on a bare Debian 12 machine with git and make: what is
# missing is installed by scripts/bootstrap.sh first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export PATH := $(CURDIR)/.build/go/bin:$(CURDIR)/.build/node/bin:$(PATH)
export CGO_ENABLED := 1
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL := go tool -modfile=tools/go.mod
# What releases are optimised for: the compiler needs two minutes more for it.
RELEASE_PGO := -pgo=cmd/millrace/release.pgo
# The real commands; test binaries of DuckDB are large, so two at a time.
GOTEST := go test -p 2 -timeout 20m
# What takes longest begins first, so that nothing is waited for alone at the end.
SLOW := ./ui/e2e ./apptest ./serve ./app ./warehouse/duckdb

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: bootstrap
bootstrap:
	@sh scripts/bootstrap.sh

.PHONY: browser
browser: bootstrap collect/browser/dist/.built ## fetch the browser library that the binary serves
collect/browser/dist/.built: collect/browser/package-lock.json collect/browser/build.mjs
	cd collect/browser && npm ci --loglevel=error --no-audit --no-fund --ignore-scripts && node build.mjs
	@touch $@

.PHONY: page
page: bootstrap ui/dist/.built ## build the web page that the binary serves
ui/node_modules/.installed: ui/package-lock.json ui/package.json
	cd ui && npm ci --loglevel=error --no-audit --no-fund --ignore-scripts
	@touch $@
ui/dist/.built: ui/node_modules/.installed ui/index.html ui/vite.config.ts ui/scripts/clean.mjs ui/scripts/compress.mjs $(shell find ui/src ui/public -type f)
	cd ui && npm run --silent build
	@touch $@

.PHONY: build
build: browser page ## build bin/millrace
	go build -trimpath $(PGO) -ldflags '$(LDFLAGS)' -o bin/millrace ./cmd/millrace

.PHONY: run
run: build ## start the example shop, send two years of orders, report, keep serving (ONCE=1 exits, LISTEN=host:port)
	@go run ./examples/run -binary bin/millrace $(if $(ONCE),-once) $(if $(LISTEN),-listen $(LISTEN))

.PHONY: test
test: build ## all tests, with the race detector
	MILLRACE_TEST_BINARY=$(CURDIR)/bin/millrace $(GOTEST) -race $(SLOW) ./...

.PHONY: e2e
e2e: build ## the page's scenes alone, in a real browser (E2E_ONLY='live|keyboard' chooses)
	MILLRACE_TEST_BINARY=$(CURDIR)/bin/millrace go test -count=1 -timeout 20m -v ./ui/e2e

.PHONY: screenshots
screenshots: build ## pictures of every room in both themes and two widths, to ui/.shots
	cd ui && npm run --silent shots

.PHONY: check
check: browser page ## everything else that CI runs: format, vet, lint, generated files, the page
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { echo 'gofmt these files:'; gofmt -l $$(git ls-files -co --exclude-standard '*.go'); exit 1; }
	go mod verify >/dev/null
	go mod tidy -diff
	go vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) go-errorlint ./...
	cd tools && go build -o ../.build/notice ./notice
	.build/notice -check
	$(TOOL) revive -config .revive.toml -exclude ./ui/node_modules/... ./...
	cd ui && npm run --silent check && npm run --silent budget
	@for f in scripts/*.sh .ci/run; do bash -n $$f; done
	@git diff --exit-code --stat || { echo 'make check left edits behind'; exit 1; }

# What gosec asks about and is answered elsewhere: unsafe (G103), errors (G104:
# staticcheck and review), conversions of integers that were bounded when they
# were read (G115: the fuzz tests), and files and commands that the person at the
# terminal names (G204, G304); random numbers that are no secrets (G404).
GOSEC_ANSWERED := G103,G104,G115,G204,G304,G404
.PHONY: security
security: browser page ## look for known kinds of holes, and for dependencies that are known to have some
	go tool -modfile=tools/security/go.mod gosec -quiet -severity medium -confidence medium -exclude $(GOSEC_ANSWERED) -exclude-dir ui/node_modules -exclude-dir tools ./...
	bash scripts/vulnerabilities.sh

.PHONY: bench
bench: PGO = $(RELEASE_PGO)
bench: build ## measure everything, built as a release is, and write docs/benchmarks.md
	go run ./bench -binary bin/millrace -write docs/benchmarks.md

.PHONY: generate
generate: build ## write the generated reference and golden files again
	go test ./project ./serve ./cmd/millrace -update
	go test ./docs -update

.PHONY: notice
notice: browser page ## write NOTICE again
	cd tools && go build -o ../.build/notice ./notice
	.build/notice

.PHONY: profile
profile: build ## record what release builds are optimised for
	@mkdir -p .build
	cd tools && go build -o ../.build/pgo ./pgo
	for s in single batch live; do go run ./bench -binary bin/millrace -quick -run $$s -profile .build/$$s.pprof || exit 1; done
	.build/pgo -o cmd/millrace/release.pgo .build/single.pprof .build/batch.pprof .build/live.pprof

.PHONY: release
release: PGO = $(RELEASE_PGO)
release: build ## dist/: tarball with checksums, systemd unit, completions
	bash scripts/release.sh '$(VERSION)'

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist .build collect/browser/dist/*
	find ui/dist -mindepth 1 ! -name README.txt -delete
