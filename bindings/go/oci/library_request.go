//go:build cgo && linux && !cldoci_none

package oci

/*
#include <stdlib.h>
#include <cldoci.h>
*/
import "C"

import (
	"strings"
	"unsafe"
)

// entry is what a verb of the library takes and gives.
type entry struct {
	options    *C.cldoci_options
	reference  *C.cldoci_reference
	target     *C.cldoci_reference
	artifact   *C.cldoci_artifact // what is pushed or attached: freed here
	directory  *C.char
	kind       *C.char
	registry   *C.char
	username   *C.char
	password   *C.char
	config     *C.uint8_t
	configSize C.size_t
	held       *C.cldoci_artifact // whose layer is read: lent
	layer      C.size_t
	pipe       C.int32_t
	operation  *C.cldoci_operation
	object     *C.cldoci_error
}

// take gives a request to the library's memory. What it gives is freed by the caller, also where this fails.
func (n nativeClient) take(r *request) (*entry, error) {
	in := &entry{pipe: C.int32_t(r.pipe)}
	var err error
	text := func(place **C.char, what, text string) {
		if err == nil {
			*place, err = newString(what, text)
		}
	}
	refer := func(place **C.cldoci_reference, what, text string) {
		if err == nil {
			*place, err = newReference(what, text)
		}
	}
	switch r.action {
	case actionReadLayer:
		in.held, in.layer = r.layer.held.artifact, C.size_t(r.layer.index)
		return in, nil
	case actionLogin, actionLogout:
		text(&in.registry, "the registry", r.reference)
		if r.action == actionLogin {
			text(&in.username, "the user name", r.username)
			text(&in.password, "the password", r.password())
		}
		return in, err
	case actionTag, actionCopy:
		refer(&in.reference, "source reference", r.reference)
		refer(&in.target, "destination reference", r.target)
		return in, err
	case actionBuild, actionBuildAndPush:
		text(&in.kind, "the artifact's type", string(r.kind))
		in.config, in.configSize = copied(r.config)
	}
	if r.action != actionBuild {
		refer(&in.reference, "reference", r.reference)
	}
	if r.directory != "" || r.action == actionPull || r.action == actionBuild || r.action == actionBuildAndPush {
		text(&in.directory, "the directory", r.directory)
	}
	if r.artifact != nil && err == nil {
		in.artifact, err = n.newArtifact(r.artifact)
	}
	return in, err
}

func (in *entry) free() {
	for _, text := range []*C.char{in.directory, in.kind, in.registry, in.username, in.password} {
		if text != nil {
			freeString(text)
		}
	}
	C.free(unsafe.Pointer(in.config))
	C.cldoci_reference_free(in.reference)
	C.cldoci_reference_free(in.target)
	C.cldoci_artifact_free(in.artifact)
	C.cldoci_options_free(in.options)
}

// start starts the operation of an action.
func (in *entry) start(client *C.cldoci_client, call action) C.cldoci_status {
	switch call {
	case actionBuild:
		return C.cldoci_build_start(client, in.directory, in.kind, in.config, in.configSize, in.options, &in.operation, &in.object)
	case actionBuildAndPush:
		return C.cldoci_build_and_push_start(client, in.directory, in.kind, in.config, in.configSize, in.reference, in.options, &in.operation, &in.object)
	case actionPush:
		return C.cldoci_push_start(client, in.artifact, in.reference, in.options, &in.operation, &in.object)
	case actionPull:
		return C.cldoci_pull_start(client, in.reference, in.directory, in.options, &in.operation, &in.object)
	case actionPullConfig:
		return C.cldoci_pull_config_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionExists:
		return C.cldoci_exists_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionTag:
		return C.cldoci_tag_start(client, in.reference, in.target, in.options, &in.operation, &in.object)
	case actionCopy:
		return C.cldoci_copy_start(client, in.reference, in.target, in.options, &in.operation, &in.object)
	case actionResolve:
		return C.cldoci_resolve_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionListTags:
		return C.cldoci_list_tags_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionInspect:
		return C.cldoci_inspect_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionReadManifest:
		return C.cldoci_read_manifest_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionDelete:
		return C.cldoci_delete_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionCollectGarbage:
		return C.cldoci_collect_garbage_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionAttach:
		return C.cldoci_attach_start(client, in.artifact, in.reference, in.options, &in.operation, &in.object)
	case actionReferrers:
		return C.cldoci_referrers_start(client, in.reference, in.options, &in.operation, &in.object)
	case actionReadLayer:
		return C.cldoci_save_layer_start(client, in.held, in.layer, in.pipe, in.options, &in.operation, &in.object)
	case actionLogin:
		return C.cldoci_login_start(client, in.registry, in.username, in.password, in.options, &in.operation, &in.object)
	case actionLogout:
		return C.cldoci_logout_start(client, in.registry, in.options, &in.operation, &in.object)
	}
	return C.CLDOCI_ERROR_INTERNAL
}

// newReference parses a reference; what names it in the error. The caller frees it.
func newReference(what, ref string) (*C.cldoci_reference, error) {
	text, err := newString("the reference", ref)
	var parsed *C.cldoci_reference
	if err == nil {
		defer freeString(text)
		var object *C.cldoci_error
		err = failure(C.cldoci_reference_parse(text, &parsed, &object), &object)
	}
	if made, ok := err.(*Error); ok {
		made.Reference = ref
		if what != "" {
			made.text = "invalid " + what + ": " + made.Message
		}
	}
	return parsed, err
}

func parseReference(ref string) (*Reference, error) {
	parsed, err := newReference("", ref)
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
