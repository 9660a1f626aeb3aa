# SPDX-License-Identifier: GPL-2.0
#
# The front door: `make help` says what there is. The kernel's build does not
# read this file, but Kbuild.

## ARCH=arm64         the guest's architecture: arm64 or x86_64
ARCH ?= arm64
## VARIANT=plain      the lab's kernel: plain, or debug (lockdep, KASAN, kmemleak, injected faults), as
##                    `make torture` on arm64 has it if nothing else is said
VARIANT ?= $(if $(filter torture-arm64,$(MAKECMDGOALS:=-$(ARCH))),debug,plain)
## CPUS=1,2,4         with how many CPUs the guests are tested, each; 2 with VARIANT=debug
CPUS ?= $(if $(filter debug,$(VARIANT)),2,1$(comma)2$(comma)4)
comma := ,
## KDIR=              a built 6.1 tree with CONFIG_RUST=y, instead of the lab's
KDIR ?=
## RUSTC= BINDGEN= LLVM= CROSS_COMPILE=   instead of what the tree was built with
## CARGO=             for host and guest programs, instead of /usr/bin/cargo
## NODE= SEED=        of `make torture`: one node only; the calls that this seed makes
## CALLS=1000000 CYCLES=1000   of `make torture`: how many, for each node
CALLS ?= 1000000
CYCLES ?= 1000
## INSTALL_MOD_PATH=  the folder into which modules_install puts lib/modules

target_arm64 := aarch64-unknown-linux-gnu
target_x86_64 := x86_64-unknown-linux-gnu
target = $(target_$(ARCH))
image_arm64 := arch/arm64/boot/Image
image_x86_64 := arch/x86/boot/bzImage

# The guests' runner and what follows here look for programs in this place.
export CARGO_TARGET_DIR := $(CURDIR)/target

# For those that are no sub-makes: make's flags would silence the kernel build
# that the lab starts, or have cargo look for a jobserver that is not there.
not_make := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

# Debian's cargo and rustc go together; another toolchain is often first on
# PATH. The two variables let cargo 1.65 use the sparse index.
ifeq ($(origin CARGO),undefined)
cargo_env := $(not_make) PATH=/usr/bin:$$PATH CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc \
	CARGO_UNSTABLE_SPARSE_REGISTRY=true RUSTC_BOOTSTRAP=1
cargo := $(cargo_env) /usr/bin/cargo
else
cargo_env := $(not_make) CARGO=$(CARGO) RUSTC=$(or $(RUSTC),rustc)
cargo := $(cargo_env) $(CARGO)
endif

# x86_64 guests have the host's own target: see .cargo/config.toml.
ifeq ($(ARCH),x86_64)
for_guest := CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$(CURDIR)/.cargo/runner \
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static -C strip=debuginfo'
endif

lab := $(not_make) target/debug/lab

# The tree that is built against and booted: KDIR if it is given, else the lab's.
find_kdir := kdir='$(KDIR)'; [ -n "$$kdir" ] || kdir=$$($(lab) tree --arch $(ARCH) --variant $(VARIANT) --print kdir)

.NOTPARALLEL:
.PHONY: modules modules_install clean demo test check bench lint host-tests clippy-modules \
	check-panics compile-fail unsafe guest-tests debug-tests bench-program \
	torture torture-node shell setup tree kdir image lab userland help

# --- modules: Kbuild and nothing else, if KDIR is given ----------------------

kbuild = $(MAKE) --no-print-directory $$(sed 1q .kbuild-for) M=$(CURDIR)

# .kbuild-for holds Kbuild's arguments and the checksum of the tree's .config.
# Kbuild itself would not see that the tree is another one: the names in its
# own notes are relative to the tree.
modules: $(if $(KDIR),,tree) ## build every .ko; what plain `make` does
	@$(find_kdir) && \
	args=$$(scripts/check-kdir.sh "$$kdir" '$(ARCH)') && \
	made_for=$$(echo "$$args"; cksum <"$$kdir/.config") && \
	if [ ! -f .kbuild-for ] || [ "$$made_for" != "$$(cat .kbuild-for)" ]; then \
		$(clean) && echo "$$made_for" >.kbuild-for; \
	fi
	@for ko in *.ko; do [ -f "modules/$${ko%.ko}.rs" ] || rm -f "$$ko"; done
	+@$(kbuild) modules

modules_install: modules ## install them below INSTALL_MOD_PATH
	@[ -n '$(INSTALL_MOD_PATH)' ] || [ $(ARCH) = "$$(uname -m)" ] || \
		{ echo 'rlkm: these are for $(ARCH); give INSTALL_MOD_PATH=, the root that they go into' >&2; false; }
	+@$(kbuild) modules_install

# Not Kbuild's clean: that wants a tree, and looks for objects in all folders,
# so that it would take those in cargo's target/ as well.
clean = find . \( -path ./target -o -path ./.git \) -prune -o -type f \( \
	-name '*.[ao]' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
	-o -name '.*.cmd' -o -name '.*.d' -o -name '*.rlib' -o -name '*.rmeta' \
	-o -name '*_generated.*' -o -name Module.symvers -o -name modules.order \
	-o -name .kbuild-for \) -exec rm -f {} +

clean: ## remove what building the modules made
	@$(clean)

# --- in the guest ------------------------------------------------------------

programs := $(patsubst userland/%/Cargo.toml,-p %,$(wildcard userland/*/Cargo.toml))
guest_test = RLKM_ARCH=$(ARCH) RLKM_KDIR="$$kdir" $(for_guest) \
	$(cargo) test --locked --target $(target) -p tests

demo: modules userland ## load every module in a guest, try the nodes, unload
	@$(find_kdir) && $(lab) run --arch $(ARCH) --kdir "$$kdir" --program scripts/demo.sh -- demo.sh

shell: modules userland ## a shell in a guest that has all modules and programs
	@$(find_kdir) && $(lab) shell --arch $(ARCH) --kdir "$$kdir"

# Kbuild then makes the modules in tests/modules, too.
host-tests debug-tests guest-tests test-%: export TESTS = y

# What runs on the host is the same with any kernel.
on_host_arm64_plain := lint unsafe host-tests clippy-modules compile-fail
on_host_arm64_debug := debug-tests
test: $(on_host_$(ARCH)_$(VARIANT)) guest-tests ## all checks, and all tests in guests; with VARIANT=debug or ARCH=x86_64 those in guests

# One kernel's failure says nothing of the others.
check: ## `make test`, and the guests' tests on the debug kernel and on x86_64
	@rm -f target/suites/results.json
	+@failed=; \
	for kernel in 'ARCH=arm64 VARIANT=plain CPUS=1,4' 'ARCH=arm64 VARIANT=debug CPUS=2' \
			'ARCH=x86_64 VARIANT=plain CPUS=2'; do \
		$(MAKE) --no-print-directory test $$kernel || failed="$$failed, $$kernel"; \
	done; \
	$(lab) suites --table && \
	{ [ -z "$$failed" ] || { echo "rlkm: failed: $${failed#, }" >&2; false; }; }

test-%: modules userland ## one suite in a guest, as in test-hello or test-reload
	@$(find_kdir) && $(guest_test) --test $*

# A guest that hangs as a whole is given up after a day; a test that hangs, after minutes.
torture: modules lab torture-node ## calls at random on every node, reloads under use: hours
	@$(find_kdir) && RLKM_CALLS=$(CALLS) RLKM_CYCLES=$(CYCLES) $(if $(SEED),RLKM_SEED=$(SEED)) \
		RLKM_CPUS=4 RLKM_TIMEOUT=86400 $(guest_test) --no-fail-fast --test torture $(if $(SEED),,--test reload) \
		-- $(if $(NODE),--exact $(NODE))

torture-node:
	@[ -z '$(NODE)' ] || grep -q '^fn $(NODE)()' tests/torture/main.rs || \
		{ echo 'rlkm: NODE=$(NODE): no such node; it is a name in /dev, as in NODE=ksort' >&2; false; }

# Safe code can do one thing that harms the kernel: panic. What asserts is meant to.
check-panics: modules ## make sure that no module can panic
	@$(find_kdir) && has() { grep -q "^CONFIG_RUST_$$1=y" "$$kdir/.config"; } && \
	if has DEBUG_ASSERTIONS; then \
		echo 'rlkm: no check for panics: this kernel has CONFIG_RUST_DEBUG_ASSERTIONS'; \
	else \
		has OVERFLOW_CHECKS || echo 'rlkm: no check for overflows: this kernel has no CONFIG_RUST_OVERFLOW_CHECKS'; \
		scripts/check-panics.sh *.ko; \
	fi

compile-fail: modules ## make sure that misuse of lkm does not compile
	@$(find_kdir) && scripts/check-compile-fail.sh "$$kdir"

guest-tests: modules check-panics userland
	@echo 'rlkm: tests in guests: $(ARCH), $(VARIANT)'
	@$(find_kdir) && $(for_guest) $(cargo) test --locked --target $(target) -p tests --no-run \
		--message-format=json-render-diagnostics --lib $(suites_$(VARIANT)) | \
		$(lab) suites --arch $(ARCH) --kdir "$$kdir" --cpus $(CPUS)
	@[ '$(VARIANT)' != debug ] || sed -n '/^Fault points/,$$p' target/suites/$(ARCH)-debug-*-faults.log

# Only the debug kernel has what those with `test = false` need; the pattern takes them, too.
suites_plain := --tests
suites_debug := --test '*'

userland: lab
	@$(for_guest) $(cargo) build --locked --target $(target) $(programs)

# The twins in C, beside which ours are measured.
bench host-tests: export BENCH = y

bench: modules bench-program ## measure the modules beside their twins in C: docs/bench.md
	@$(find_kdir) && $(lab) bench --arch $(ARCH) --kdir "$$kdir"

bench-program: lab
	@$(for_guest) $(cargo) build --locked --target $(target) -p bench

# --- on the host -------------------------------------------------------------

# --all-targets leaves out those that have `test = false`.
clippy = for which in --all-targets '--test=*'; do \
	$(2) $(cargo_env) cargo-clippy clippy --locked $(1) "$$which" -- -D warnings || exit; done

lint: setup
	@echo 'rlkm: the format of the code'
	@$(cargo_env) cargo-fmt fmt --check
	@$(cargo_env) rustfmt --check --edition 2021 \
		$$(find lkm modules tests/modules tests/compile_fail -name '*.rs' ! -name '*_generated.rs')
	@echo 'rlkm: clippy for the host and for guests'
	@$(call clippy,--workspace)
	@$(call clippy,$(programs) -p bench -p tests --target $(target),$(for_guest))
	@echo 'rlkm: modules are safe Rust over lkm'
	@grep -rnwE --include='*.rs' 'unsafe|bindings|link_section|no_mangle|export_name|global_asm' modules tests/modules; found=$$?; [ $$found = 1 ] || \
		{ echo 'rlkm: modules may not say these words; what they need belongs into lkm' >&2; false; }

unsafe: ## count what is unsafe in lkm, and find what does not say why it is sound
	@scripts/count-unsafe.sh

# In a copy: Kbuild would compile all again after another compiler was there.
clippy-modules: $(if $(KDIR),,tree) ## clippy for lkm and the modules
	@echo 'rlkm: clippy for lkm and the modules'
	@mkdir -p target/clippy && find Kbuild include lkm modules tests/modules -type f \
		\( -name Kbuild -o -name '*.rs' -o -name '*.[ch]' -o -name bindgen_parameters \) \
		! -name '*_generated.*' ! -name '*.mod.c' -exec cp --parents -pu -t target/clippy {} +
	+@$(find_kdir) && args=$$(scripts/check-kdir.sh "$$kdir" '$(ARCH)') && PATH=/usr/bin:$$PATH \
		$(MAKE) --no-print-directory -s $$args M=$(CURDIR)/target/clippy CLIPPY=1 TESTS=y modules

# The guests of the lab's own tests are given the checkout's modules, which must
# be for ARCH, and the twins.
host-tests: lab modules bench-program
	@echo 'rlkm: tests on the host'
	@$(find_kdir) && RLKM_ARCH=$(ARCH) RLKM_KDIR="$$kdir" \
		$(cargo) test --locked --workspace --exclude tests

# What the lab does with a debug kernel only.
debug-tests: lab modules
	@$(find_kdir) && RLKM_KDIR="$$kdir" $(cargo) test --locked -p lab --test debug_kernel

setup: ## install what building needs: Debian packages and bindgen
	@$(not_make) scripts/setup.sh

tree: lab ## prepare the lab's kernel tree for ARCH and VARIANT
	@$(if $(KDIR),,$(lab) tree --arch $(ARCH) --variant $(VARIANT))

lab: setup
	@$(cargo) build --locked --quiet -p lab

kdir: $(if $(KDIR),,lab) ## print the tree that is built against
	@$(find_kdir) && realpath -m "$$kdir"

image: $(if $(KDIR),,lab) ## print the kernel image that is booted
	@$(find_kdir) && realpath -m "$$kdir/$(image_$(ARCH))"

help: ## print this
	@echo 'Targets:'
	@sed -n 's/^\([a-z_%-]*\):.*## /\1\t/p' Makefile | expand -t 18 | sed 's/^/  /'
	@echo 'Variables:'
	@sed -n 's/^## /  /p' Makefile
