# Every target that needs a tool makes sure of it first; scripts/tools.sh says what it installs.

PREFIX ?= $(HOME)/.local
ZSH_CUSTOM ?= $(HOME)/.oh-my-zsh/custom
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

# Right after Rust was installed, a shell that was open before does not find it yet.
CARGO := $(shell PATH="$$PATH:$${CARGO_HOME:-$$HOME/.cargo}/bin"; command -v cargo || echo cargo)

# Under another HOME than its own, rustup does not find its toolchains; they lie beside it.
ifeq ($(RUSTUP_HOME)$(wildcard $(HOME)/.rustup),)
ifneq ($(wildcard $(dir $(CARGO))../../.rustup),)
export RUSTUP_HOME := $(abspath $(dir $(CARGO))../../.rustup)
endif
endif

help: ## list what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: tools ## watch three machines share their files, in a throw-away home
	@CARGO="$(CARGO)" TARGET="$(TARGET)" scripts/demo.sh

# Most tests wait for a disk, a process or a limit, so half as many again as there are cores run at once.
THREADS = $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))

test: check ## run every check and every test
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(THREADS)} "$(CARGO)" test --locked

check: all-tools ## format, lints, and the proof that deciding needs no engine
	"$(CARGO)" fmt --check
	"$(CARGO)" clippy --locked --all-targets --quiet -- -D warnings
	"$(CARGO)" check --locked --lib --bin cfgsync-prompt --no-default-features --quiet
	"$(CARGO)" clippy --locked --release --bin cfgsync-prompt --no-default-features \
	  --features bare --quiet -- -D warnings

bench: bench-tools build ## measure the programs, the light and the plugin beside what they are compared with
	@failed=0; scripts/bench.sh "$(TARGET)/release" || failed=1; \
	for bench in planning backup secrets prompt shell syncs crowd; do \
	  "$(CARGO)" bench --locked --quiet --bench $$bench || failed=1; \
	done; exit $$failed

sweep: all-tools ## kill every command at every call that changes a file, and see it heal
	"$(CARGO)" test --locked --test sweep -- --all
	"$(CARGO)" test --locked --features sabotage --test sweep -- --breaks

SECONDS ?= 600
fuzz: tools ## fuzz the readers of archives, manifests, records and watch lists, SECONDS each (default 600)
	@CARGO="$(CARGO)" scripts/tools.sh fuzz
	@set -e; for target in archive inventory manifest record watch; do \
	  mkdir -p fuzz/corpus/$$target; \
	  "$(CARGO)" +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=1024; \
	done

check-macos: tools ## type-check and lint every target for macOS, on any system
	@CARGO="$(CARGO)" TARGET="$(TARGET)" scripts/check-macos.sh

dist: tools ## make a Debian package, static programs, the source and a Homebrew formula
	@CARGO="$(CARGO)" TARGET="$(TARGET)" DIST_HOME="$(DIST_HOME)" scripts/dist.sh

install: build ## put programs, zsh plugin, completions and man pages in place (PREFIX=~/.local)
	@PREFIX="$(PREFIX)" ZSH_CUSTOM="$(ZSH_CUSTOM)" scripts/install.sh "$(TARGET)/release"

uninstall: ## take them away again; your files and the repository stay
	@PREFIX="$(PREFIX)" ZSH_CUSTOM="$(ZSH_CUSTOM)" scripts/install.sh --remove

build: tools
	"$(CARGO)" build --locked --release --bins

tools:
	@CARGO="$(CARGO)" scripts/tools.sh

all-tools:
	@CARGO="$(CARGO)" scripts/tools.sh all

bench-tools:
	@CARGO="$(CARGO)" scripts/tools.sh all

.PHONY: help demo test check check-macos dist bench sweep fuzz install uninstall build tools all-tools bench-tools
