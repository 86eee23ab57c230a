package oci

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
)

// action says which verb of the library a call is; it is the word of its error, "failed to …".
type action string

const (
	actionBuild          action = "build"
	actionBuildAndPush   action = "build and push"
	actionPush           action = "push"
	actionPull           action = "pull"
	actionPullConfig     action = "pull the config"
	actionExists         action = "check"
	actionTag            action = "tag"
	actionCopy           action = "copy"
	actionResolve        action = "resolve"
	actionListTags       action = "list tags"
	actionInspect        action = "inspect"
	actionReadManifest   action = "read the manifest"
	actionDelete         action = "delete"
	actionCollectGarbage action = "collect garbage"
	actionAttach         action = "attach"
	actionReferrers      action = "list referrers"
	actionReadLayer      action = "read the layer"
	actionLogin          action = "log in"
	actionLogout         action = "log out"
)

// request is what a call asks of the library, as Go has it. Each action reads what it needs.
type request struct {
	action    action
	reference string // what the call is about; of tag and copy the source; of login and logout the registry
	target    string // of tag and copy: the destination
	directory string // what is built, or where a pull puts it
	kind      ArtifactType
	config    []byte
	artifact  *Artifact // what is pushed or attached

	username string
	password hidden

	layer   *layerSource // what is read
	pipe    int          // where it is written to
	started func()       // called once the library has begun, or has refused to
}

// outcome is what a call came to.
type outcome struct {
	Result
	exists    bool
	bytes     []byte
	tags      []string
	referrers []Descriptor
	entries   []Entry
	artifact  *Artifact // what was built, pulled or inspected, without its layers' bytes
}

// verb is one call of a method: what all of them have in common.
type verb struct {
	client   *Client
	settings *settings
	request  request
	err      error // what is wrong with what the caller gave
}

// verb prepares a call: its options beat the client's.
func (c *Client) verb(r request, options []Option) *verb {
	var own settings
	if c != nil {
		own = c.settings
	}
	v := &verb{client: c, settings: own.with(options), request: r}
	v.err = (&settings{}).with(options).refusedBy(r.action)
	return v
}

// setConfig has a build take a config of the caller's.
func (v *verb) setConfig(config any) {
	bytes, err := marshalConfig(config)
	if err != nil && v.err == nil {
		v.err = &Error{
			Code: CodeArgument, Message: err.Error(), causes: []error{err}, text: fmt.Sprintf("failed to marshal config: %v", err),
		}
	}
	v.request.config = bytes
	if hasSourceHash(config) {
		v.settings.set("fill_source_hash", "true")
	}
}

// run makes the call.
func (v *verb) run(ctx context.Context) (*outcome, error) {
	done, err := v.operate(ctx)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	if v.request.artifact != nil {
		v.request.artifact.setDigest(done.Digest)
	}
	if v.request.action == actionPull {
		done.artifact.Reference = v.request.reference
		done.Artifact = done.artifact
	}
	if v.settings.result != nil {
		*v.settings.result = done.Result
	}
	if report := v.settings.warning; report != nil {
		for _, warning := range done.Warnings {
			report(warning)
		}
	}
	return done, nil
}

// result makes the call, for a method that gives nothing but the result.
func (v *verb) result(ctx context.Context) (*Result, error) {
	done, err := v.run(ctx)
	if err != nil {
		return nil, err
	}
	return &done.Result, nil
}

func (v *verb) operate(ctx context.Context) (*outcome, error) {
	if v.err != nil {
		return nil, v.err
	}
	if ctx.Err() != nil {
		return nil, &Error{Code: CodeCancelled}
	}
	engine, err := v.client.use()
	if err != nil {
		return nil, err
	}
	// The engine lives as long as its last call.
	defer runtime.KeepAlive(engine)
	defer v.client.asking(ctx)()
	return engine.native.run(ctx, v)
}

// options gives the library's options of this call. Its deadline is the context's or the client's own,
// whichever comes first.
func (v *verb) options(ctx context.Context) []setting {
	deadline, ok := ctx.Deadline()
	if !ok {
		return v.settings.values
	}
	left := max(time.Until(deadline), time.Millisecond)
	if v.settings.timeout > 0 && v.settings.timeout < left {
		return v.settings.values
	}
	limited := &settings{values: append([]setting{}, v.settings.values...)}
	WithTimeout(left)(limited)
	return limited.values
}

// failed completes an error: what the call was about, the context's part in it, the words for a person.
func (v *verb) failed(ctx context.Context, err error) error {
	var made *Error
	if !errors.As(err, &made) {
		return err
	}
	if cause := v.client.causeOf(made); cause != nil {
		made.causes = []error{cause}
	}
	if made.Code == CodeCancelled || made.Code == CodeTimeout {
		made.ended(ctx)
	}
	about, word := v.about(made)
	if made.Reference == "" {
		made.Reference = about
	}
	if made.text == "" {
		made.text = v.request.words(made, word)
	}
	return made
}

// ended gives an error the context's part in it.
func (e *Error) ended(ctx context.Context) {
	ended := ctx.Err()
	// The library's clock may be ahead of the context's timer by a moment, and before that one there is no cause.
	if deadline, ok := ctx.Deadline(); ok && ended == nil && time.Until(deadline) < 20*time.Millisecond {
		select {
		case <-ctx.Done():
			ended = ctx.Err()
		case <-time.After(time.Second):
			ended = context.DeadlineExceeded
		}
	}
	if ended == nil {
		return
	}
	e.causes, e.Message = []error{ended}, ended.Error()
	if cause := context.Cause(ctx); cause != nil && cause != ended {
		e.causes = append(e.causes, cause)
		e.Message += ": " + cause.Error()
	}
	if errors.Is(ended, context.DeadlineExceeded) {
		e.Code = CodeTimeout
	}
}

// about gives the reference that failed, and of tag and copy the word for it: the one that the message names.
func (v *verb) about(e *Error) (reference, word string) {
	if v.request.target == "" {
		return v.request.reference, ""
	}
	source, target := named(e.Message, v.request.reference), named(e.Message, v.request.target)
	switch {
	case target > source:
		return v.request.target, "destination: "
	case source > target:
		return v.request.reference, "source: "
	}
	return v.request.reference, ""
}

// named says how well a message names a reference: wholly, its repository, its registry, not at all.
func named(message, reference string) int {
	parsed, err := parseReference(reference)
	if err != nil {
		return 0
	}
	repository := parsed.Registry + "/" + parsed.Repository
	for i, text := range []string{parsed.String(), repository, parsed.Registry} {
		_, rest, found := strings.Cut(message, text)
		// "app:v1" does not name "app:v10".
		if found && (rest == "" || !strings.ContainsAny(rest[:1], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.")) {
			return 3 - i
		}
	}
	return 0
}
