# SPDX-License-Identifier: GPL-2.0
#
# The front door: `make help` says what there is. The kernel's build does not
# read this file, but Kbuild.

## ARCH=arm64         the guest's architecture: arm64 or x86_64; that of KDIR, if this is given
## VARIANT=plain      the lab's kernel: plain, or debug (lockdep, KASAN, kmemleak, injected faults), as
##                    `make torture` on arm64 has it if nothing else is said, or trace (what gdb and
##                    tracers need), as `make gdb` has it
## CPUS=1,2,4         with how many CPUs the guests are tested, each; 2 with VARIANT=debug
## KERNEL=            instead of VARIANT, one of Debian's own kernels: stock, cloud, or of a release, as in
##                    stock:6.1.0-57; it is downloaded, and nothing is installed
## KDIR=              a built 6.1 tree with CONFIG_RUST=y, instead of the lab's
## RUSTC= BINDGEN= LLVM= CROSS_COMPILE=   instead of what the tree was built with
## LTO=               n: modules are linked of objects, and not as bitcode: see `make how`
## DEBUG_INFO=        y: modules with debug information, for `lab decode` and gdb, beside the others
## CARGO=             for host and guest programs, instead of /usr/bin/cargo
## MODULE= STOP=init RUN=   of `make gdb`: which module; where it stops first; a shell's command that the
##                    guest runs when the module is loaded, as 'simrupt --count 9': without one, it waits
## NODE= SEED=        of `make torture`: one node only; the calls that this seed makes
## CALLS=1000000 CYCLES=1000   of `make torture`: how many, for each node
## INSTALL_MOD_PATH=  the folder into which modules_install puts lib/modules
## PREFIX=/usr/local DESTDIR=   of `make install-lab`: where, and below which root
##                    A relative path is taken from where make stands, which is what -C says.

ifeq ($(wildcard scripts/check-arguments.sh),)
$(error rlkm: this is not the checkout; call make there, or give it with -C)
endif

# --- what the user gives -----------------------------------------------------
#
# Nothing that is given is expanded, or seen by a shell without quotes, before it
# has been looked at.

empty :=
tab := $(empty)	$(empty)
define newline


endef
quoted = '$(subst ','\'',$(subst $(newline),$(tab),$1))'
on_command_line = $(filter command,$(firstword $(origin $1)))

goals := $(MAKECMDGOALS)
given := CURDIR HOME XDG_CACHE_HOME ARCH VARIANT KERNEL CPUS KDIR RUSTC BINDGEN LLVM CROSS_COMPILE LIBCLANG_PATH \
	LTO CARGO LINUX_SOURCE RLKM_BUSYBOX KBUILD_EXTRA_SYMBOLS \
	$(if $(filter torture%,$(goals)),NODE SEED CALLS CYCLES) \
	$(if $(filter gdb,$(goals)),MODULE STOP RUN) \
	$(if $(filter install-lab,$(goals)),PREFIX DESTDIR) \
	$(if $(filter modules_install,$(goals)),INSTALL_MOD_PATH INSTALL_MOD_DIR MODLIB DESTDIR) \
	$(foreach tool,CC LD AR NM OBJCOPY OBJDUMP READELF STRIP HOSTCC C CHECK,$(if $(call on_command_line,$(tool)),$(tool)))
need_none := $(if $(filter-out help clean,$(or $(goals),modules)),,yes)
ifeq ($(need_none),)
arguments := $(shell scripts/check-arguments.sh \
	$(foreach name,$(given),$(if $(value $(name)),$(call quoted,$(name)=$(value $(name))))) \
	$(foreach goal,$(goals),$(call quoted,$(goal))))
endif
# What is not fine, or not needed, is not even passed on.
ifeq ($(filter fine,$(arguments)),)
$(foreach name,$(filter-out CURDIR,$(given)),$(eval override $(name) :=))
endif

$(foreach argument,$(filter-out fine,$(arguments)),$(eval override export $(argument)))
override ARCH := $(or $(ARCH),arm64)
override VARIANT := $(or $(VARIANT),$(if $(filter torture-arm64,$(goals:=-$(ARCH))),debug),$(if \
	$(filter gdb,$(goals)),trace),plain)
# Which kernel, and what it is for.
kernel := $(or $(KERNEL),$(VARIANT))
kind := $(if $(KERNEL),stock,$(VARIANT))
comma := ,
override CPUS := $(or $(CPUS),$(if $(filter plain,$(kind)),1$(comma)2$(comma)4,2))
CALLS := $(or $(CALLS),1000000)
CYCLES := $(or $(CYCLES),1000)

# Which of -i, -n, -q and -t there are. make runs lines with + and those that call
# make even if it is to do nothing, as with the last three.
flags := $(foreach flag,i n q t,$(findstring $(flag),$(firstword -$(MAKEFLAGS))))
also := $(if $(filter n q t,$(flags)),,+)

refused := $(if $(filter fine,$(arguments))$(need_none),,yes)
# With -i, make would go on after what is refused later.
ifneq ($(and $(filter i,$(flags)),$(KDIR)),)
refused := $(or $(refused),$(shell scripts/check-kdir.sh $(KDIR) $(ARCH) >/dev/null || echo yes))
endif
ifneq ($(refused),)

.PHONY: $(or $(goals),modules)
# A line of a recipe would be printed, or its failure ignored.
$(or $(goals),modules): $(if $(strip $(flags)),what-was-refused)
	@false

else

target_arm64 := aarch64-unknown-linux-gnu
target_x86_64 := x86_64-unknown-linux-gnu
target = $(target_$(ARCH))
image_arm64 := arch/arm64/boot/Image
image_x86_64 := arch/x86/boot/bzImage

# The guests' runner and what follows here look for programs in this place.
override CARGO_TARGET_DIR := $(CURDIR)/target
export CARGO_TARGET_DIR

# For those that are no sub-makes: make's flags would silence the kernel build
# that the lab starts, or have cargo look for a jobserver that is not there.
not_make := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

# Debian's cargo and rustc go together; another toolchain is often first on
# PATH. The two variables let cargo 1.65 use the sparse index.
ifeq ($(CARGO),)
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

# Two things at a time, where neither needs the other and both take long.
beside := $(not_make) scripts/beside.sh

# The tree that is built against and booted, KDIR if it is given, else the lab's;
# and where its modules are.
find_kdir := kdir='$(KDIR)'; { [ -n "$$kdir" ] || kdir=$$($(lab) tree --arch $(ARCH) --kernel $(kernel) --print kdir); } && \
	RLKM_BUILD=$$(scripts/kbuild.sh folder "$$kdir" $(ARCH)) && export RLKM_BUILD

.NOTPARALLEL:
.PHONY: modules modules-with-lines modules_install clean demo test check bench lint host-tests clippy-modules \
	check-all clang-15 hardening engine-programs engines check-panics check-link compile-fail unsafe guest-tests \
	debug-tests trace-tests bench-program miri torture shell gdb setup packages tree kdir image how lab install-lab \
	userland help

# --- modules: Kbuild and nothing else, if KDIR is given ----------------------

kbuild = MAKE='$(MAKE_COMMAND)' scripts/kbuild.sh

modules: $(if $(KDIR),,tree) ## build every .ko; what plain `make` does
	$(also)@$(find_kdir) && $(kbuild) modules "$$kdir" $(ARCH)

# Before those that are then linked at the top of the checkout.
modules-with-lines: $(if $(KDIR),,tree)
	$(also)@export DEBUG_INFO=y; $(find_kdir) && $(kbuild) modules "$$kdir" $(ARCH)

modules_install: modules ## install them below INSTALL_MOD_PATH
	@[ -n '$(INSTALL_MOD_PATH)$(MODLIB)' ] || [ $(ARCH) = "$$(uname -m)" ] || \
		{ echo 'rlkm: these are for $(ARCH); give INSTALL_MOD_PATH=, the root that they go into' >&2; false; }
	$(also)@$(find_kdir) && $(kbuild) modules_install "$$kdir" $(ARCH)

clean: ## remove what building the modules made
	@scripts/kbuild.sh clean

# --- in the guest ------------------------------------------------------------

programs := $(patsubst userland/%/Cargo.toml,-p %,$(wildcard userland/*/Cargo.toml))
guest_test = RLKM_ARCH=$(ARCH) RLKM_KDIR="$$kdir" $(for_guest) \
	$(cargo) test --locked --target $(target) -p tests

demo: modules userland ## load every module in a guest, try the nodes, unload
	@$(find_kdir) && $(lab) run --arch $(ARCH) --kdir "$$kdir" --program scripts/demo.sh -- demo.sh

shell: modules userland ## a shell in a guest that has all modules and programs
	@$(find_kdir) && $(lab) shell --arch $(ARCH) --kdir "$$kdir"

gdb: modules userland ## gdb, in a guest that loads MODULE; stops in its init, or at STOP
	@$(find_kdir) && $(lab) gdb --arch $(ARCH) --kdir "$$kdir" --stop $(call quoted,$(or $(value STOP),init)) -- \
		sh -c 'insmod "/modules/$$0.ko" && eval "$$1"' $(MODULE) $(call quoted,$(or $(value RUN),sleep 1000000))

# Kbuild then makes the modules in tests/modules, too.
host-tests debug-tests guest-tests test-%: export TESTS = y

# What runs on the host is the same with any kernel.
on_host_arm64_plain := lint unsafe host-tests clippy-modules compile-fail
on_host_arm64_debug := debug-tests
on_host_arm64_trace := trace-tests
# With tracers there, modules do nothing else than without.
test: $(on_host_$(ARCH)_$(kind)) $(if $(filter trace,$(kind)),,guest-tests) ## all checks, and all tests in guests; with another kernel or ARCH=x86_64 those in guests

# One kernel's failure says nothing of the others.
# The lab's own kernel for x86_64 is for check-all: it is long to build, and Debian's shows the same.
kernels_of_check := 'ARCH=arm64 VARIANT=plain CPUS=1,4' 'ARCH=arm64 VARIANT=debug CPUS=2' 'ARCH=arm64 VARIANT=trace' \
	'ARCH=arm64 KERNEL=stock' 'ARCH=x86_64 KERNEL=stock' \
	$(if $(filter check-all,$(goals)),'ARCH=x86_64 VARIANT=plain CPUS=2')

check: ## `make test`, the guests' tests on the debug kernel and on Debian's own, the lab's on the trace kernel
	@rm -f target/suites/results.json
	$(also)@failed=; \
	for kernel in $(kernels_of_check); do \
		$(MAKE_COMMAND) --no-print-directory test $$kernel || failed="$$failed, $$kernel"; \
	done; \
	$(lab) suites --table && \
	{ [ -z "$$failed" ] || { echo "rlkm: failed: $${failed#, }" >&2; false; }; }

check-all: clang-15 engine-programs check hardening engines ## `make check`, x86_64 with Rust, and what takes long

clang-15:
	@for tool in clang ld.lld llvm-ar; do command -v $$tool-15 >/dev/null || \
		{ echo "rlkm: no $$tool-15 on PATH; install clang-15, lld-15 and llvm-15" >&2; exit 1; }; done

# Trees that have it are prepared, one by a clang that knows return thunks.
hardening: clang-15 lab ## what a tree has for C to make it hard to attack, Rust has too
	@$(cargo) test --locked -p lab --test hardening

engine-programs:
	@for program in parallel sbatch slurmctld slurmd munged; do \
		PATH=$$PATH:/usr/sbin command -v $$program >/dev/null || { echo "rlkm: no $$program; install \
parallel, slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins and munge" >&2; exit 1; }; done

engines: engine-programs lab tree ## `lab sweep` and `lab suites` by GNU parallel, and by a Slurm of this machine alone
	@$(find_kdir) && RLKM_KDIR="$$kdir" $(cargo) test --locked -p lab --test engines

test-%: modules userland ## one suite in a guest, as in test-hello or test-reload
	@$(find_kdir) && $(guest_test) --test $*

# A guest that hangs as a whole is given up after a day; a test that hangs, after minutes.
torture: modules lab ## calls at random on every node, reloads under use: hours
	@$(find_kdir) && RLKM_CALLS=$(CALLS) RLKM_CYCLES=$(CYCLES) $(if $(SEED),RLKM_SEED=$(SEED)) \
		RLKM_CPUS=4 RLKM_TIMEOUT=86400 $(guest_test) --no-fail-fast --test torture $(if $(SEED),,--test reload) \
		-- $(if $(NODE),--exact $(NODE))

# Safe code can do one thing that harms the kernel: panic. What asserts is meant to.
check-panics: modules ## make sure that no module can panic
	@$(find_kdir) && has() { grep -q "^CONFIG_RUST_$$1=y" "$$kdir/.config"; } && \
	if has DEBUG_ASSERTIONS; then \
		echo 'rlkm: no check for panics: this kernel has CONFIG_RUST_DEBUG_ASSERTIONS'; \
	else \
		has OVERFLOW_CHECKS || echo 'rlkm: no check for overflows: this kernel has no CONFIG_RUST_OVERFLOW_CHECKS'; \
		$(kbuild) check-panics "$$kdir" $(ARCH); \
	fi

check-link: modules ## make sure that what is hot is inlined, and what is cold is not
	@$(find_kdir) && $(kbuild) check-link "$$kdir" $(ARCH)

compile-fail: modules ## make sure that misuse of lkm does not compile
	@$(find_kdir) && scripts/check-compile-fail.sh "$$kdir" "$$RLKM_BUILD"

guest-tests: modules check-panics $(if $(filter plain,$(kind)),check-link) userland
	@echo 'rlkm: tests in guests: $(ARCH), $(kernel)'
	@$(find_kdir) && $(for_guest) $(cargo) test --locked --target $(target) -p tests --no-run \
		--message-format=json-render-diagnostics --lib $(suites_$(kind)) | \
		$(lab) suites --arch $(ARCH) --kdir "$$kdir" --cpus $(CPUS)
	@[ $(kind) != debug ] || sed -n '/^Fault points/,$$p' target/suites/$(ARCH)-debug-*-faults.log

# Only the debug kernel has what those with `test = false` need; the pattern takes them, too.
suites_plain := --tests
suites_stock := --tests
suites_debug := --test '*'

build_programs := env $(for_guest) $(cargo) build --locked --target $(target) $(programs)

userland: lab ## build the programs for guests
	@$(build_programs)

# Whoever wants both has the programs built beside the kernel.
demo shell guest-tests test-%: beside_the_kernel = $(beside) 'programs for guests' $(build_programs) --

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

unsafe: ## count what is unsafe in lkm, and find what does not say why it is sound
	@scripts/count-unsafe.sh

# In a folder of its own: Kbuild would compile all again after another compiler was there.
clippy-modules: $(if $(KDIR),,tree) ## clippy for lkm and the modules
	@echo 'rlkm: clippy for lkm and the modules'
	$(also)@$(find_kdir) && $(kbuild) clippy "$$kdir" $(ARCH)

# The guests of the lab's own tests are given the checkout's modules, which must
# be for ARCH, and the twins.
host-tests: lab modules-with-lines modules userland bench-program
	@echo 'rlkm: tests on the host'
	@$(find_kdir) && RLKM_ARCH=$(ARCH) RLKM_KDIR="$$kdir" \
		$(cargo) test --locked --workspace --exclude tests --no-fail-fast

# Not Debian's toolchain, which has no Miri; the first run builds a library for it.
miri: ## what lkm gives C pointers to, under Miri: docs/reliability.md
	@rustup run nightly cargo miri --version >/dev/null 2>&1 || \
		{ echo 'rlkm: no Miri; rustup toolchain install nightly --component miri --component rust-src' >&2; false; }
	@$(not_make) CARGO_TARGET_DIR=$(CURDIR)/target/miri \
		rustup run nightly cargo miri test --locked -p lkm-callbacks

# What the lab does with a debug kernel only.
debug-tests: lab modules
	@$(find_kdir) && RLKM_KDIR="$$kdir" $(cargo) test --locked -p lab --test debug_kernel

# What it does with the kernel for debuggers.
trace-tests: lab modules userland
	@$(find_kdir) && RLKM_KDIR="$$kdir" $(cargo) test --locked -p lab --test gdb

setup: ## install what building needs: Debian packages and bindgen
	@$(not_make) scripts/setup.sh

tree: lab ## prepare the lab's kernel tree for ARCH and VARIANT
	@$(if $(KDIR),,$(beside_the_kernel) $(lab) tree --arch $(ARCH) --kernel $(kernel))

packages:
	@$(not_make) scripts/setup.sh packages

# Cargo says what it does where it takes long.
lab: packages
	@$(beside) bindgen scripts/setup.sh bindgen -- \
		$(cargo) build --locked $(if $(wildcard target/debug/lab),--quiet) -p lab

install-lab: lab ## install the lab below PREFIX, with completions for shells and manual pages
	@$(not_make) scripts/install-lab.sh target/debug/lab '$(DESTDIR)$(PREFIX)'

kdir: $(if $(KDIR),,lab) ## print the tree that is built against
	@$(find_kdir) && realpath -m "$$kdir"

image: $(if $(KDIR),,lab) ## print the kernel image that is booted
	@$(find_kdir) && realpath -m "$$kdir/$(image_$(ARCH))"

how: $(if $(KDIR),,lab) ## print how modules are linked, and why so
	@$(find_kdir) && LTO='$(LTO)' $(kbuild) how "$$kdir" $(ARCH)

help: ## print this
	@echo 'Targets:'
	@sed -n 's/^\([a-z_%-]*\):.*## /\1\t/p' Makefile | expand -t 18 | sed 's/^/  /'
	@echo 'Variables:'
	@sed -n 's/^## /  /p' Makefile

endif
