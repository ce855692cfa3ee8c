# The words of this repository; each says what it runs.
#   make check          formatting, lints, our own rules, licences: no test runs
#   make test           every test, against real Kafka, Postgres and S3 started for it
#   make advisories     known security faults of what we build on (asks the network)
#   make services-up    services that stay, below $(SERVICES); then `. $(SERVICES)/env`
#   make services-down  stops them and deletes their data

SERVICES ?= /tmp/brooklet-services
CARGO_DENY_VERSION = 0.20.2

.PHONY: check test advisories services-up services-down cargo-deny

check: cargo-deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask tidy
	cargo deny --log-level warn check bans licenses sources

test:
	scripts/test.sh

advisories: cargo-deny
	cargo deny check advisories

services-up:
	scripts/services.sh up $(SERVICES)
	@echo "run:  . $(SERVICES)/env"

services-down:
	scripts/services.sh down $(SERVICES)

cargo-deny:
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION)
