//go:build !cgo || !linux

// Package oci is the Go interface of the cldoci library; it needs Linux and cgo.
package oci

// The build stops here on purpose, with this name as its message. What to do: docs/migrating-from-pkg-oci.md,
// "Releases without cgo".
var _ = package_oci_needs_linux_and_CGO_ENABLED_1_else_keep_the_former_client_see_docs_migrating_from_pkg_oci_md
