# What is handed to others, in $(BUILD)/packages:
#
#   dist    bxhook-VERSION.tar.gz: the last commit, with configure
#   deb     Debian packages, built from that tarball and looked at by lintian
#   zip     bxhook-VERSION-x86_64.zip: the upload for shared hosting, with the static program
#
#   deps-deb, deps-zip, deps-packages   install what making one of them, or trying all of them, needs
#
#   check-units             the units as the pages describe them, in a booted machine (root; minutes)
#   check-packages K=zip    builds them all from a clean clone and tests each by itself (root; minutes)

PACKAGES = $(BUILD)/packages
RELEASE = bxhook-$(VERSION)
# Of everything with a date in it; Debian's tools set it from the same place.
SOURCE_DATE_EPOCH ?= $(shell date -d "$$(sed -n 's/^ -- .*>  //p' debian/changelog | head -n 1)" +%s)

.PHONY: deb newer-deb dist zip deps-deb deps-zip deps-packages check-packages check-units

dist: configure
	@mkdir -p '$(PACKAGES)'
	git -c tar.umask=0022 archive --format=tar --prefix='$(RELEASE)/' --add-file=configure HEAD | \
	    gzip -9n > '$(PACKAGES)/$(RELEASE).tar.gz'

# In a directory of its own: dpkg writes beside the tree it builds.
deb: dist
	rm -rf '$(PACKAGES)/deb' && mkdir -p '$(PACKAGES)/deb'
	tar -xzf '$(PACKAGES)/$(RELEASE).tar.gz' -C '$(PACKAGES)/deb'
	cd '$(PACKAGES)/deb/$(RELEASE)' && \
	    env -u MAKEFLAGS DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS:-nocheck parallel=$$(nproc)}" \
	        dpkg-buildpackage -us -uc -b >../build.log 2>&1 || { tail -n 30 ../build.log; exit 1; }
	lintian --allow-root --fail-on error '$(PACKAGES)/deb'/*.changes
	cp '$(PACKAGES)/deb'/*.deb '$(PACKAGES)'

# The same tree as the next version, for the test of an upgrade.
newer-deb: deb
	mkdir -p '$(PACKAGES)/newer'
	cd '$(PACKAGES)/deb/$(RELEASE)' && rm debian/debhelper-build-stamp && \
	    sed '1s/($(VERSION))/($(VERSION).1)/' debian/changelog > changelog && mv changelog debian/changelog && \
	    env -u MAKEFLAGS DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b -nc >../newer.log 2>&1
	mv '$(PACKAGES)/deb'/*_'$(VERSION)'.1_*.deb '$(PACKAGES)/newer'

zip: static
	rm -rf '$(PACKAGES)/zip' && mkdir -p '$(PACKAGES)/zip'
	SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' packaging/upload.sh '$(BUILD)/static/bxhook' \
	    '$(PACKAGES)/zip/bxhook' '$(abspath $(PACKAGES)/$(RELEASE)-$(shell uname -m).zip)'

deps-deb deps-zip deps-packages:
	@sh tests/deps.sh $(@:deps-%=%)

check-units:
	@sh tests/deps.sh packages
	@E2E='$(K)' tests/run units

check-packages:
	@sh tests/deps.sh packages
	@E2E='$(K)' tests/run packages
