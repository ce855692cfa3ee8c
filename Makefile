# The words of this repository; each says what it runs.
#   make demo           builds a release and runs `brooklet demo`; ARGS="--events 100000" ends it
#   make check          formatting, lints, our own rules, licences: no test runs
#   make test           every test, against real Kafka, Postgres, S3 and a registry started for it
#   make pipeline-NAME  one of pipelines/ on services started for it, compared with the rows expected
#   make sim            crashes with new seeds for SIM_SECONDS (an hour); SIM_SEED repeats one
#   make fuzz           statements that nobody would write, new ones for FUZZ_SECONDS (half an hour);
#                       FUZZ_SEED repeats one, FUZZ_TEXT plans a file
#   make oracle         asks a real Flink every question of tests/oracle again and writes its answers
#   make bench          what events, state and starts cost: bench/README.md. BLOCKS="queries keys"
#                       chooses parts, BROOKLET_BIN measures another binary; PEER=flink runs the
#                       Nexmark queries on a real Flink as well, QUERIES="q4 q7" some of them
#   make advisories     known security faults of what we build on (asks the network)
#   make services-up    services that stay, below $(SERVICES); then `. $(SERVICES)/env`
#   make services-down  stops them and deletes their data

SERVICES ?= /tmp/brooklet-services
CARGO_DENY_VERSION = 0.20.2
BENCH_PROFILE ?= release

.PHONY: demo check test sim fuzz oracle bench advisories services-up services-down cargo-deny

demo:
	scripts/demo.sh $(ARGS)

check: cargo-deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask tidy
	cargo deny --log-level warn check bans licenses sources

test:
	scripts/test.sh

pipeline-%:
	scripts/test.sh --test e2e -- pipelines::$*

sim:
	cargo build --workspace --all-targets --profile checked
	cargo test --workspace --profile checked --test simulation -- \
		--ignored --exact --nocapture property::for_as_long_as_wanted

fuzz:
	cargo build --workspace --all-targets --profile checked
	cargo test --workspace --profile checked --test fuzz -- \
		--ignored --exact --nocapture for_as_long_as_wanted

oracle:
	scripts/oracle.sh write $(wildcard tests/oracle/*.sql)

bench:
	cargo build --workspace --bins --profile $(BENCH_PROFILE)
	scripts/with_services.sh $${CARGO_TARGET_DIR:-target}/$(BENCH_PROFILE)/brooklet-bench $(BLOCKS)

advisories: cargo-deny
	cargo deny check advisories

services-up:
	scripts/services.sh up $(SERVICES)
	@echo "run:  . $(SERVICES)/env"

services-down:
	scripts/services.sh down $(SERVICES)

cargo-deny:
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION)
