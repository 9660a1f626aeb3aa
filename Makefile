# SPDX-License-Identifier: GPL-2.0
#
# The front door. `make help` says what there is.
#
# Kbuild, not this file, is what the kernel's build reads: see Kbuild.

## ARCH=arm64        the modules' architecture: arm64 or x86_64
ARCH ?= arm64
## KDIR=             a built 6.1 tree with CONFIG_RUST=y (left out: the lab's)
KDIR ?=
## RUSTC= BINDGEN= LLVM= CROSS_COMPILE=   as Kbuild's (left out: what the tree was built with)
## INSTALL_MOD_PATH= where modules_install puts lib/modules (left out: /)
## CARGO=            the cargo for host and guest programs (left out: /usr/bin/cargo)

target_arm64 := aarch64-unknown-linux-gnu
target_x86_64 := x86_64-unknown-linux-gnu
image_arm64 := arch/arm64/boot/Image
image_x86_64 := arch/x86/boot/bzImage

# Neither cargo nor the lab is a sub-make. With these in the environment, the
# kernel build that the lab starts would be silent under `make -s`, and look for
# a jobserver that is not there under `make -j`.
not_make := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

# Debian's cargo and rustc fit each other; another toolchain may be first on
# PATH, and a newer cargo passes flags that this rustc refuses. The two
# variables let cargo 1.65 use the sparse index.
ifeq ($(origin CARGO),undefined)
cargo := $(not_make) PATH=/usr/bin:$$PATH RUSTC=/usr/bin/rustc \
	CARGO_UNSTABLE_SPARSE_REGISTRY=true RUSTC_BOOTSTRAP=1 /usr/bin/cargo
else
cargo := $(not_make) RUSTC=$(or $(RUSTC),rustc) $(CARGO)
endif
lab := $(not_make) target/debug/lab

# What is printed when a path is asked for, and what is built against: KDIR if
# it is given, else the lab's tree, for which the lab has to be there first.
find_kdir = kdir='$(KDIR)'; [ -n "$$kdir" ] || kdir=$$($(lab) tree --arch $(ARCH) --print kdir)

.NOTPARALLEL:
.PHONY: modules modules_install clean help setup lab tree kdir image
modules: $(if $(KDIR),,tree) ## build every .ko (what `make` alone does)
	@$(find_kdir) && \
	args=$$(scripts/check-kdir.sh "$$kdir" '$(ARCH)') && \
	made_for=$$(echo "$$args"; cksum <"$$kdir/.config") && \
	if [ ! -f .kbuild-for ] || [ "$$made_for" != "$$(cat .kbuild-for)" ]; then \
		$(clean) && echo "$$made_for" >.kbuild-for; \
	fi
	@$(MAKE) --no-print-directory $$(sed 1q .kbuild-for) M=$(CURDIR) modules

modules_install: modules ## install them below INSTALL_MOD_PATH
	@$(MAKE) --no-print-directory $$(sed 1q .kbuild-for) M=$(CURDIR) modules_install

# .kbuild-for holds Kbuild's arguments and the checksum of the tree's .config.
# Kbuild's notes on what was built from what name the tree's files relative to
# it, so it would not see that the tree is another one.
#
# Kbuild's own `clean` looks for objects in all folders and would take those in
# cargo's target/ with it. It would also want a tree.
clean = find . \( -path ./target -o -path ./.git \) -prune -o -type f \( \
	-name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
	-o -name '.*.d' -o -name '*.rmeta' -o -name '*_generated.rs' \
	-o -name Module.symvers -o -name modules.order -o -name .kbuild-for \) -exec rm -f {} +

clean: ## remove what building the modules made
	@$(clean)

help: ## this
	@echo 'Targets:'
	@sed -n 's/^\([a-z_]*\):.*## /\1\t/p' Makefile | expand -t 18 | sed 's/^/  /'
	@echo 'Variables:'
	@sed -n 's/^## /  /p' Makefile
