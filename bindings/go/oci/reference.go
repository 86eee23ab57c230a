//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

import "strings"

// layoutScheme begins a reference to a local OCI image layout.
const layoutScheme = "ocidir://"

// Reference is a parsed OCI reference.
type Reference struct {
	Registry   string // "docker.io", "ghcr.io", "localhost:5000"; "ocidir:" for a local layout
	Repository string // "library/nginx", "myorg/myapp"; "/PATH" for a local layout
	Tag        string // "latest", "v1.0.0"
	Digest     string // "sha256:abc123…"
}

// ParseReference parses a reference as every method does. Without tag and digest the tag is "latest" (a local
// layout's stays empty: its only manifest is meant).
func ParseReference(ref string) (*Reference, error) {
	parsed, err := newReference(ref)
	if err != nil {
		return nil, err
	}
	defer C.cldoci_reference_free(parsed)
	made := &Reference{
		Registry:   lent(func(n *C.size_t) *C.char { return C.cldoci_reference_registry(parsed, n) }),
		Repository: lent(func(n *C.size_t) *C.char { return C.cldoci_reference_repository(parsed, n) }),
		Tag:        lent(func(n *C.size_t) *C.char { return C.cldoci_reference_tag(parsed, n) }),
		Digest:     lent(func(n *C.size_t) *C.char { return C.cldoci_reference_digest(parsed, n) }),
	}
	if made.Registry == "" {
		// Split so that String puts it together again: "ocidir:" + "/" + "/PATH".
		made.Registry = strings.TrimSuffix(layoutScheme, "//")
		made.Repository = "/" + lent(func(n *C.size_t) *C.char { return C.cldoci_reference_path(parsed, n) })
	}
	return made, nil
}

// String gives the whole reference: registry/repository[:tag][@digest].
func (r *Reference) String() string {
	text := r.Registry + "/" + r.Repository
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest != "" {
		text += "@" + r.Digest
	}
	return text
}

// newReference parses a reference; the caller frees it.
func newReference(ref string) (*C.cldoci_reference, error) {
	text, err := newString("the reference", ref)
	if err != nil {
		return nil, err
	}
	defer freeString(text)
	var parsed *C.cldoci_reference
	var object *C.cldoci_error
	if err := failure(C.cldoci_reference_parse(text, &parsed, &object), &object); err != nil {
		return nil, err
	}
	return parsed, nil
}
