//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

import (
	"context"
	"fmt"
)

// Client builds, pushes, pulls, tags and checks artifacts. Make one with [NewClient]; the zero value works as
// one without options. It is safe for concurrent use and needs no closing.
type Client struct {
	settings settings
	engine   *engine
	err      error // why there is no engine
}

// defaults are this package's own, where cldctl's callers want others than the library has.
var defaults = []setting{
	{name: "links", value: string(LinksSkip)},
	{name: "follow_destination", value: "true"},
}

// NewClient makes a client. The environment and the files with credentials are those of this moment. What is
// wrong with an option is the error of every call.
func NewClient(options ...Option) *Client {
	made := &Client{}
	made.settings = *made.settings.with(options)
	made.engine, made.err = engineFor(append(defaults[:len(defaults):len(defaults)], made.settings.values...))
	return made
}

// use gives the client's engine.
func (c *Client) use() (*engine, error) {
	if c != nil && (c.engine != nil || c.err != nil) {
		return c.engine, copyOf(c.err)
	}
	return engineFor(defaults)
}

// give gives an artifact to the library as its fields are now; the caller frees it.
func (c *Client) give(artifact *Artifact) (*C.cldoci_artifact, error) {
	engine, err := c.use()
	if err != nil {
		return nil, err
	}
	return engine.newArtifact(artifact)
}

// copyOf gives every call its own error, as each completes it with what it was about.
func copyOf(err error) error {
	if made, ok := err.(*Error); ok {
		copied := *made
		return &copied
	}
	return err
}

// verb prepares a call: the options of the call beat base, which is the method's own.
func (c *Client) verb(reference string, words func(*Error) *Error, options []Option, base ...setting) *verb {
	var own settings
	if c != nil {
		own = c.settings
	}
	made := own.with(options)
	made.values = append(base, made.values...)
	return &verb{client: c, settings: made, reference: reference, words: words}
}

// refer parses a reference of a call; what names it in the error. The caller frees it.
func (v *verb) refer(what, reference string) (*C.cldoci_reference, error) {
	parsed, err := newReference(reference)
	if made, ok := err.(*Error); ok {
		made.Reference = reference
		made.text = "invalid " + what + ": " + made.Message
	}
	return parsed, err
}

// BuildFromDirectory builds a directory into an artifact with one layer. The same tree and options give the
// same digest everywhere. The config is anything that marshals to JSON; json.RawMessage is kept byte for byte.
// An empty SourceHash of the three config types is filled with the layer's digest.
//
// What is left out follows the type; a .cldignore file in the directory adds to it, or with "!" takes back.
// Symbolic links that leave the directory or dangle are left out with a warning.
func (c *Client) BuildFromDirectory(ctx context.Context, dir string, artifactType ArtifactType, config interface{}) (*Artifact, error) {
	artifact, _, err := c.BuildWith(ctx, dir, artifactType, config)
	return artifact, err
}

// BuildWith is [Client.BuildFromDirectory] with options for this call and a result, which says what was left
// out and why.
func (c *Client) BuildWith(ctx context.Context, dir string, artifactType ArtifactType, config any, options ...Option) (*Artifact, *Result, error) {
	v := c.verb("", failedTo("build"), options)
	result, err := v.build(ctx, dir, artifactType, config, func(in *entry, b *buildInput) C.cldoci_status {
		return C.cldoci_build_start(in.client, b.directory, b.kind, b.config, b.size, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, nil, err
	}
	defer C.cldoci_result_free(result)
	artifact, err := v.artifactOf(ctx, result, !v.settings.withoutData)
	if err != nil {
		return nil, nil, v.failed(ctx, err)
	}
	return artifact, resultOf(result), nil
}

// BuildAndPush builds a directory as [Client.BuildFromDirectory] does and pushes it, in one pass where the
// registry allows it: the layer is sent while it is packed, without being asked for before. The layers' Data
// is not filled; [Client.ReadLayer] gets it from where it was pushed to.
func (c *Client) BuildAndPush(ctx context.Context, dir string, artifactType ArtifactType, config any, reference string, options ...Option) (*Artifact, *Result, error) {
	v := c.verb(reference, failedTo("build and push"), options)
	target, err := v.refer("reference", reference)
	if err != nil {
		return nil, nil, err
	}
	defer C.cldoci_reference_free(target)
	result, err := v.build(ctx, dir, artifactType, config, func(in *entry, b *buildInput) C.cldoci_status {
		return C.cldoci_build_and_push_start(in.client, b.directory, b.kind, b.config, b.size, target, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, nil, err
	}
	defer C.cldoci_result_free(result)
	artifact, err := v.artifactOf(ctx, result, false)
	if err != nil {
		return nil, nil, v.failed(ctx, err)
	}
	artifact.Reference = reference
	return artifact, resultOf(result), nil
}

// buildInput is what a build takes, as C has it.
type buildInput struct {
	directory, kind *C.char
	config          *C.uint8_t
	size            C.size_t
}

// build runs a verb that builds; the caller frees the result.
func (v *verb) build(ctx context.Context, dir string, artifactType ArtifactType, config any, start func(*entry, *buildInput) C.cldoci_status) (*C.cldoci_result, error) {
	if hasSourceHash(config) {
		v.settings.set("fill_source_hash", "true")
	}
	bytes, err := marshalConfig(config)
	if err != nil {
		return nil, &Error{
			Code: CodeArgument, Message: err.Error(), cause: err, text: fmt.Sprintf("failed to marshal config: %v", err),
		}
	}
	directory, err := newString("the directory", dir)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	defer freeString(directory)
	kind, err := newString("the artifact's type", string(artifactType.orComponent()))
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	defer freeString(kind)
	data, size := bytesPointer(bytes)
	input := &buildInput{directory: directory, kind: kind, config: data, size: size}
	return v.run(ctx, func(in *entry) C.cldoci_status { return start(in, input) })
}

// Push sends an artifact to artifact.Reference and sets artifact.Digest. It sends what the fields say at this
// moment, whoever set them; blobs that are there already are skipped.
func (c *Client) Push(ctx context.Context, artifact *Artifact) error {
	_, err := c.PushWith(ctx, artifact)
	return err
}

// PushWith is [Client.Push] with options for this call and a result.
func (c *Client) PushWith(ctx context.Context, artifact *Artifact, options ...Option) (*Result, error) {
	if artifact == nil {
		return nil, &Error{Code: CodeArgument, Message: "the artifact is nil"}
	}
	v := c.verb(artifact.Reference, failedTo("push"), options)
	reference, err := v.refer("reference", artifact.Reference)
	if err != nil {
		return nil, err
	}
	defer C.cldoci_reference_free(reference)
	sent, err := c.give(artifact)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	defer C.cldoci_artifact_free(sent)
	result, err := v.run(ctx, func(in *entry) C.cldoci_status {
		return C.cldoci_push_start(in.client, sent, reference, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	made := resultOf(result)
	artifact.setDigest(made.Digest)
	return made, nil
}

// Pull puts an artifact's files into a directory. Every size and digest is verified before anything appears.
// An absent or empty directory appears whole or not at all; into one that isn't empty the files are put one by
// one, over those of the same name. Missing parents are made, a destination that is a link is followed.
func (c *Client) Pull(ctx context.Context, reference string, destDir string) error {
	// Nobody sees the config here: its request is saved.
	_, err := c.PullWith(ctx, reference, destDir, WithOption("fetch_config", "false"))
	return err
}

// PullWith is [Client.Pull] with options for this call and a result, which has the artifact and its config.
func (c *Client) PullWith(ctx context.Context, reference string, destDir string, options ...Option) (*Result, error) {
	v := c.verb(reference, pulling, options, setting{name: "existing", value: string(ExistingMerge)})
	from, err := v.refer("reference", reference)
	if err != nil {
		return nil, err
	}
	defer C.cldoci_reference_free(from)
	destination, err := newString("the destination", destDir)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	defer freeString(destination)
	result, err := v.run(ctx, func(in *entry) C.cldoci_status {
		return C.cldoci_pull_start(in.client, from, destination, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	made := resultOf(result)
	if made.Artifact, err = v.artifactOf(ctx, result, false); err != nil {
		return nil, v.failed(ctx, err)
	}
	made.Artifact.Reference = reference
	return made, nil
}

// PullConfig gives the config's bytes as they were pushed; no layer is touched.
func (c *Client) PullConfig(ctx context.Context, reference string) ([]byte, error) {
	config, _, err := c.PullConfigWith(ctx, reference)
	return config, err
}

// PullConfigWith is [Client.PullConfig] with options for this call and a result, whose digest and size are the
// config's.
func (c *Client) PullConfigWith(ctx context.Context, reference string, options ...Option) ([]byte, *Result, error) {
	_, result, err := c.at(ctx, reference, pulling, options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_pull_config_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, nil, err
	}
	defer C.cldoci_result_free(result)
	config := lentBytes(func(n *C.size_t) *C.uint8_t { return C.cldoci_result_bytes(result, n) })
	return config, resultOf(result), nil
}

// Exists says whether an artifact is there. It is false only on a registry's own "not found"; what keeps the
// answer from being known (no access, no connection, a server's failure) is an error.
func (c *Client) Exists(ctx context.Context, reference string) (bool, error) {
	exists, _, err := c.ExistsWith(ctx, reference)
	return exists, err
}

// ExistsWith is [Client.Exists] with options for this call and a result.
func (c *Client) ExistsWith(ctx context.Context, reference string, options ...Option) (bool, *Result, error) {
	_, result, err := c.at(ctx, reference, failedTo("check"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_exists_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return false, nil, err
	}
	defer C.cldoci_result_free(result)
	return C.cldoci_result_exists(result) == 1, resultOf(result), nil
}

// Tag gives the artifact at srcRef the name destRef too: the same manifest. In one repository no blob is sent;
// across repositories they are mounted, across registries copied.
func (c *Client) Tag(ctx context.Context, srcRef, destRef string) error {
	_, err := c.TagWith(ctx, srcRef, destRef)
	return err
}

// TagWith is [Client.Tag] with options for this call and a result.
func (c *Client) TagWith(ctx context.Context, srcRef, destRef string, options ...Option) (*Result, error) {
	return c.between(ctx, srcRef, destRef, failedTo("tag"), options, func(in *entry, from, to *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_tag_start(in.client, from, to, in.options, &in.operation, &in.object)
	})
}

// between runs a verb that has a source and a destination.
func (c *Client) between(ctx context.Context, srcRef, destRef string, words func(*Error) *Error, options []Option,
	start func(in *entry, from, to *C.cldoci_reference) C.cldoci_status,
) (*Result, error) {
	v := c.verb(srcRef, words, options)
	from, err := v.refer("source reference", srcRef)
	if err != nil {
		return nil, err
	}
	defer C.cldoci_reference_free(from)
	to, err := v.refer("destination reference", destRef)
	if err != nil {
		return nil, err
	}
	defer C.cldoci_reference_free(to)
	result, err := v.run(ctx, func(in *entry) C.cldoci_status {
		return start(in, from, to)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	return resultOf(result), nil
}
