# One entry for building, trying and testing. `make demo` and `make test` are each enough on a fresh
# Debian 12: they install what is missing, build, start private servers, run, and stop them again.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BUILD := build
SERVICES := tests/support/services.sh
SOURCES := find commands config daemon readmodel tests -name '*.cpp' -o -name '*.hpp' | sort
PACKAGES := build-essential cmake ninja-build ccache pkg-config git ca-certificates \
  librdkafka-dev libpqxx-dev libyaml-cpp-dev libspdlog-dev libfmt-dev doctest-dev \
  nlohmann-json3-dev libsimdjson-dev libicu-dev libphonenumber-dev libssl-dev libcli11-dev libcpp-httplib-dev \
  prometheus-cpp-dev libsystemd-dev libabsl-dev libjemalloc-dev \
  postgresql openjdk-17-jre-headless maven kcat procps \
  clang-format-14 clang-tidy-14 clang-14 libclang-rt-14-dev

# The compiler cache stays inside too, unless you have one.
export CCACHE_DIR ?= $(CURDIR)/build/ccache

.PHONY: help packages build demo test bench services services-stop format format-check tidy sanitize clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Everything is made in $(BUILD)/ and build-*/. Outside are only Debian packages, Maven's own"
	@echo "cache (~/.m2) and Apache Kafka's jars ($${XDG_CACHE_HOME:-~/.cache}/uniqd), fetched once."
	@echo "Servers of your own: set UNIQD_BROKERS and UNIQD_POSTGRES, and none are started."

packages: ## install the Debian packages that are missing (by apt, as root or with sudo)
	@missing=(); for name in $(PACKAGES); do \
	  [[ $$(dpkg-query -W -f '$${db:Status-Abbrev}' "$$name" 2>/dev/null) == ii* ]] || missing+=("$$name"); \
	done; \
	if (( $${#missing[@]} )); then \
	  echo "Installing: $${missing[*]}"; \
	  as_root=(); (( $$(id -u) == 0 )) || as_root=(sudo); \
	  "$${as_root[@]}" apt-get update -q && \
	  "$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -q --no-install-recommends "$${missing[@]}"; \
	fi

build: packages ## build everything, Release, warnings as errors, to build/ (the daemon is build/uniqd)
	@cmake --preset release >/dev/null
	@cmake --build --preset release

demo: build ## show uniqd at work on private servers (KEEP=1 leaves them running to look around)
	@$(SERVICES) run -- $(BUILD)/demo

test: build ## run all tiers of tests; the last line is the sum of them
	@$(SERVICES) run -- tests/support/run_tests.sh $(BUILD) unit simulation integration robustness fuzz

# Its own servers: it sets them up for the work, and yours may be in use.
bench: PACKAGES += libbenchmark-dev valgrind
bench: build ## measure uniqd in a quarter of an hour: a table, build/bench.json (FULL=1: about two hours)
	@$(BUILD)/micro_bench --benchmark_min_time=0.2 --benchmark_out=$(BUILD)/micro_bench.json
	@$(SERVICES) run $(BUILD)/bench-services -- $(BUILD)/bench $(if $(FULL),--size full)

services: packages ## start private PostgreSQL and Kafka; build/services.env says where they are
	@$(SERVICES) start

services-stop: ## stop them, and what KEEP=1 left running, and remove their data
	@if [ -x $(BUILD)/demo ]; then $(BUILD)/demo --stop; fi
	@$(SERVICES) stop

format: ## format all C++ files
	@$(SOURCES) | xargs clang-format-14 -i

format-check: ## fail if a C++ file is not formatted
	@$(SOURCES) | xargs clang-format-14 --dry-run -Werror

tidy: build ## fail on any finding of clang-tidy
	@tests/support/tidy.sh $(BUILD)

sanitize: packages ## unit and simulation tests with address and undefined-behaviour sanitizers
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan --target unit_tests \
	  $(if $(wildcard tests/simulation/CMakeLists.txt),simulation_tests)
	@tests/support/run_tests.sh build-asan unit simulation

clean: services-stop ## stop the servers and remove everything that was built
	@rm -rf build build-debug build-asan build-tsan
