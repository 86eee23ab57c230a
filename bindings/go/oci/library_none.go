//go:build !cgo || !linux || cldoci_none

package oci

import (
	"context"
	"io"
)

// What stands in for the library where the program has none: everything compiles, and every call says so.

func noLibrary() error {
	return &Error{
		Code:    CodeUnsupported,
		Message: "this program was built without the cldoci library, which needs Linux and cgo: build it there with CGO_ENABLED=1",
	}
}

type (
	nativeClient struct{}
	held         struct{}
)

func newNativeClient([]setting) (nativeClient, error) { return nativeClient{}, noLibrary() }

func (nativeClient) free() {}

func (nativeClient) run(context.Context, *verb) (*outcome, error) { return nil, noLibrary() }

func (*layerSource) size() int { return 0 }

func (*verb) saveLayer(context.Context, *Layer, func(io.Reader) error) error { return noLibrary() }

func parseReference(ref string) (*Reference, error) {
	err := noLibrary().(*Error)
	err.Reference = ref
	return nil, err
}

func listOptions() []OptionInfo { return nil }

// waitIdle has nothing to wait for.
func waitIdle(context.Context) error { return nil }

func version() string { return "" }

// What only the library uses, named so that no linter takes it for forgotten.
var _ = func(a *Artifact, l *layerSource, k *asker, r *request) {
	_, _, _, _, _ = a.found, a.typeOf, l.held, l.index, l.digest
	_, _, _, _, _ = k.answer, k.byAction, r.layer, r.pipe, r.started
	_ = (*verb).options
}
