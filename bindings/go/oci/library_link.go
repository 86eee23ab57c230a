//go:build cgo && linux && !cldoci_none

package oci

// How the library is linked: as it is installed (pkg-config; the tag cldoci_static takes its archive), or the archive
// that internal/bundle put into lib (cldoci_bundled, and cldoci_musl for a program of musl).

/*
#cgo !cldoci_static,!cldoci_bundled pkg-config: cldoci
#cgo cldoci_static,!cldoci_bundled pkg-config: --static cldoci
#cgo cldoci_static,!cldoci_bundled LDFLAGS: -l:libcldoci.a -Wl,--as-needed
#cgo cldoci_bundled CFLAGS: -I${SRCDIR}/lib/include
#cgo cldoci_bundled,!cldoci_musl,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libcldoci.a
#cgo cldoci_bundled,!cldoci_musl,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libcldoci.a
#cgo cldoci_bundled,cldoci_musl,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64_musl/libcldoci.a
#cgo cldoci_bundled,cldoci_musl,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64_musl/libcldoci.a
#cgo cldoci_bundled LDFLAGS: -lgcc_eh -lm -ldl -lpthread -lc
*/
import "C"
