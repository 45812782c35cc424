# SPDX-License-Identifier: GPL-2.0-only
#
# MSI through the IOMMU. Every target is a script in scripts/; everything
# derived goes to build/. `make help` lists the targets.

PROFILE ?= base
GIC     ?= its
IOMMU   ?= smmuv3
export GIC IOMMU
# bash counts in a variable of that name, and would begin there
unexport SECONDS

# One word for the shell, whatever is in it
quote = '$(subst ','\'',$(1))'

.DEFAULT_GOAL := help
.PHONY: help fetch apply kernel shell demo bench matrix faults stress soak fuzz coverage lsmsi deb deb-boot tests-tar update clients series refresh loc menuconfig check clean distclean

help:		## list the targets
	@printf 'MSI through the IOMMU: targets (make TARGET [VARIABLE=value])\n\n'
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
	@printf '\nStart with: make demo\n'

fetch:		## unpack the base kernel source into build/ (git, tag `base`)
	@scripts/fetch.sh

apply:		## commit the series of patches/ on top of it (branch `msi-iommu`)
	@scripts/apply.sh

kernel:		## build an arm64 kernel [PROFILE=base|vanilla|debug|kcsan|64k|16k|coverage|server]
	@scripts/build.sh $(call quote,$(PROFILE))

demo:		## run a KVM guest with a passed-through NVMe, and report [GIC=its|v2m IOMMU=smmuv3|virtio|smmuv2|smmuv1 STAGE=1|2 PAGES=4K|64K APERTURE=first-last WINDOW=start BASE=1]
	@scripts/demo.sh

shell:		## boot the host machine with a prompt [PROFILE= GIC= IOMMU=]
	@scripts/build.sh $(call quote,$(PROFILE))
	@scripts/boot.sh --profile $(call quote,$(PROFILE)) --gic $(call quote,$(GIC)) --iommu $(call quote,$(IOMMU)) --shell

bench:		## measure the series against the base: a table, plots [JSON=file DOCS=1]
	@scripts/bench.sh $(if $(JSON),--json $(call quote,$(JSON))) $(if $(DOCS),--docs)

matrix:		## run the selftests on all machines: pages, IOMMU, MSIs, type1 and iommufd [SIZES="4k 16k 64k"]
	@scripts/matrix.sh $(SIZES)

faults:		## show that the tests of what the series repairs fail without it
	@scripts/faults.sh

stress:		## do everything at once under KASAN and lockdep, count every interrupt [SECONDS=600 SEED=n KCSAN=1]
	@scripts/stress.sh $(if $(KCSAN),--kcsan) $(call quote,$(or $(SECONDS),600)) $(if $(SEED),$(call quote,$(SEED)))

soak:		## rounds of that for hours; the kernel's memory must not grow [HOURS=1, or part of one; SEED=n]
	@scripts/stress.sh --soak "$$(awk -v hours=$(call quote,$(or $(HOURS),1)) 'BEGIN { print int(hours * 3600) }')" $(if $(SEED),$(call quote,$(SEED)))

fuzz:		## call what user space can call, guided by coverage [CALLS=1000000 SEED=n KEPT=log]
	@scripts/fuzz.sh $(call quote,$(or $(CALLS),1000000)) $(if $(KEPT)$(SEED),$(call quote,$(or $(SEED),$(error KEPT needs the SEED of that run)))) $(if $(KEPT),$(call quote,$(KEPT)))

coverage:	## count the lines of the core that the tests run [MACHINES="kunit ..."]
	@scripts/coverage.sh $(MACHINES)

lsmsi:		## compile lsmsi for this machine, in build/lsmsi/
	@scripts/deps.sh lsmsi
	@$(MAKE) --no-print-directory -C tools/iommu O=../../build/lsmsi
	@echo "build/lsmsi/lsmsi; make -C tools/iommu install has its manual page, too"

deb:		## arm64 Debian packages of kernel, lsmsi and selftests, in build/deb/ [CONFIG="fragment ..." FLAVOUR=arm64]
	@scripts/deb.sh

deb-boot:	## install them in a Debian 13 that UEFI, GRUB and systemd boot, and remove them again
	@scripts/deb-boot.sh

tests-tar:	## the selftests for an arm64 board, as an archive in build/
	@scripts/tests-tar.sh

update:		## take the next stable version: fetch, apply, check, record [CHECK="group ..."; CHECK= checks nothing]
	@scripts/update.sh $(if $(filter undefined,$(origin CHECK)),,$(or $(CHECK),--unchecked))

clients:	## programs of others, interrupts counted at both ends [QEMU=source of 10.0 PYTHON=one with meson 1.5: a VMM that moves the window]
	@$(if $(QEMU),QEMU=$(call quote,$(QEMU)) PYTHON=$(call quote,$(PYTHON)) scripts/clients.sh,scripts/check.sh clients)

series:		## write the mail-ready series with its cover letter to build/series/ [FORMAT=quilt: to build/quilt/]
	@scripts/series.sh

refresh:	## bring commits of the build tree back into the files here [TREE=path BASE=commit FORCE=1]
	@scripts/refresh.sh $(if $(TREE),$(call quote,$(TREE)))

loc:		## count the lines of the series, and what it adds to other files
	@scripts/loc.sh

menuconfig:	## edit the options of the series (build/msi.config, merged into each kernel but those of make check)
	@scripts/menuconfig.sh

check:		## run every check, as CI does [CHECK="group group/name ..." JOBS=n DEADLINE=seconds PACE=n]
	@scripts/check.sh $(CHECK)

clean:		## remove what was built, keep the kernel source and downloads
	@scripts/clean.sh

distclean:	## remove build/ altogether
	@scripts/clean.sh --all
