//go:build !cgo || !linux || cldoci_none

package oci

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	oci "github.com/davidthor/cldctl/pkg/oci/internal/former"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// What stands in for the library where the program has none: the former client, for what it can do. All else is
// [ErrUnsupported].

type (
	nativeClient struct{ client *oci.Client }
	held         struct{}
)

func noLibrary(what string) error {
	return &Error{Code: CodeUnsupported, Message: what + " needs the cldoci library, and this program was built without it"}
}

func newNativeClient(values []setting) (nativeClient, error) {
	for _, value := range values[len(defaults):] {
		return nativeClient{}, noLibrary("option '" + value.name + "'")
	}
	return nativeClient{oci.NewClient()}, nil
}

func (nativeClient) free() {}

// run makes a call by the former client. It merges into what is there, and asks for a config only where one is wanted.
func (n nativeClient) run(ctx context.Context, v *verb) (*outcome, error) {
	r, done := &v.request, &outcome{}
	for _, value := range v.settings.values {
		switch known := value.name + "=" + value.value(); known {
		case "existing=merge", "fetch_config=false", "fetch_config=true", "fill_source_hash=true":
		default:
			return nil, noLibrary("option '" + value.name + "'")
		}
	}
	switch r.action {
	case actionBuild, actionBuildAndPush:
		built, err := n.client.BuildFromDirectory(ctx, r.directory, oci.ArtifactType(r.kind), json.RawMessage(r.config))
		if err != nil {
			return nil, formerError(err)
		}
		done.artifact = fromFormer(built)
		if r.action == actionBuild {
			return done, nil
		}
		done.artifact.Reference = r.reference
		return done, n.push(ctx, done.artifact, done)
	case actionPush:
		return done, n.push(ctx, r.artifact, done)
	case actionPull:
		if err := n.resolve(ctx, r.reference, done); err != nil {
			return nil, err
		}
		done.artifact = &Artifact{Digest: done.Digest}
		return done, formerError(n.client.Pull(ctx, r.reference, r.directory))
	case actionPullConfig:
		var err error
		done.bytes, err = n.client.PullConfig(ctx, r.reference)
		return done, formerError(err)
	case actionExists:
		var err error
		done.exists, err = n.client.Exists(ctx, r.reference)
		return done, formerError(err)
	case actionTag:
		return done, formerError(n.client.Tag(ctx, r.reference, r.target))
	case actionResolve:
		return done, n.resolve(ctx, r.reference, done)
	}
	return nil, noLibrary("to " + string(r.action))
}

// push pushes an artifact and asks for its digest.
func (n nativeClient) push(ctx context.Context, artifact *Artifact, done *outcome) error {
	former := &oci.Artifact{Type: oci.ArtifactType(artifact.typeOf()), Reference: artifact.Reference, Config: artifact.Config}
	for i, layer := range artifact.Layers {
		if layer.Data == nil {
			return noLibrary(fmt.Sprintf("layer %d, which has no Data,", i))
		}
		former.Layers = append(former.Layers, oci.Layer{Data: layer.Data})
	}
	if err := n.client.Push(ctx, former); err != nil {
		return formerError(err)
	}
	return n.resolve(ctx, artifact.Reference, done)
}

func (n nativeClient) resolve(ctx context.Context, reference string, done *outcome) error {
	found, err := n.client.Resolve(ctx, reference)
	if err != nil {
		return formerError(err)
	}
	done.Digest, done.MediaType, done.Size = found.Digest, found.MediaType, found.Size
	return nil
}

// fromFormer gives what the former client built, whose manifest has no digest before it is pushed.
func fromFormer(built *oci.Artifact) *Artifact {
	made := &Artifact{Type: ArtifactType(built.Type), Config: built.Config}
	for _, layer := range built.Layers {
		made.Layers = append(made.Layers, Layer{
			MediaType: layer.MediaType, Data: layer.Data, Size: int64(len(layer.Data)), Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Data)),
		})
	}
	return made
}

// formerError keeps an error's words and says what kind it is, as far as it can be told.
func formerError(err error) error {
	if err == nil {
		return nil
	}
	made := &Error{Code: CodeNetwork, Message: err.Error(), text: err.Error(), causes: []error{err}}
	var answer *transport.Error
	switch {
	case errors.Is(err, context.Canceled):
		made.Code = CodeCancelled
	case errors.Is(err, context.DeadlineExceeded):
		made.Code = CodeTimeout
	case errors.As(err, &answer):
		made.HTTPStatus, made.Code = answer.StatusCode, CodeProtocol
		if code, ok := statusCodes[answer.StatusCode]; ok {
			made.Code = code
		}
		if len(answer.Errors) > 0 {
			made.RegistryCode = string(answer.Errors[0].Code)
		}
	}
	return made
}

var statusCodes = map[int]Code{
	http.StatusUnauthorized: CodeUnauthorized, http.StatusForbidden: CodeDenied,
	http.StatusNotFound: CodeNotFound, http.StatusTooManyRequests: CodeRateLimited,
}

func (*layerSource) size() int { return 0 }

func (*verb) saveLayer(context.Context, *Layer, func(io.Reader) error) error {
	return noLibrary("to read a layer that has no Data")
}

func parseReference(ref string) (*Reference, error) {
	parsed, err := oci.ParseReference(ref)
	if err != nil {
		return nil, &Error{Code: CodeArgument, Message: err.Error(), Reference: ref, causes: []error{err}}
	}
	return &Reference{Registry: parsed.Registry, Repository: parsed.Repository, Tag: parsed.Tag, Digest: parsed.Digest}, nil
}

func listOptions() []OptionInfo { return nil }

// waitIdle has nothing to wait for: the former package ends its work before it returns.
func waitIdle(context.Context) error { return nil }

func version() string { return "" }

// What only the library uses, named so that no linter takes it for forgotten.
var _ = func(a *Artifact, l *layerSource, k *asker, r *request) {
	_, _, _, _, _ = a.found, a.typeOf, l.held, l.index, l.digest
	_, _, _, _ = k.answer, r.layer, r.pipe, r.started
	_ = (*verb).options
}
