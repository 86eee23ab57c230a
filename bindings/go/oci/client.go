package oci

import (
	"context"
	"fmt"
)

// Client builds, pushes, pulls, tags and checks artifacts. Make one with [New] or [NewClient]; the zero value works
// as one without options. It is safe for concurrent use and needs no closing. No way of printing it shows a secret.
type Client struct {
	settings settings
	engine   *engine
	err      error // why there is no engine
}

// defaults are this package's own, where cldctl's callers want others than the library has.
var defaults = []setting{
	{name: "links", value: hide(string(LinksSkip))},
	{name: "follow_destination", value: hide("true")},
}

// NewClient makes a client. The environment and the files with credentials are those of this moment. What is
// wrong with an option is the error of every call; [New] tells it at once.
func NewClient(options ...Option) *Client {
	made := &Client{}
	made.settings = *made.settings.with(options)
	if made.err = made.settings.refusedByClient(); made.err == nil {
		made.engine, made.err = engineFor(append(defaults[:len(defaults):len(defaults)], made.settings.values...))
	}
	return made
}

// New is [NewClient] that fails where an option is wrong, or where the program has no library ([ErrUnsupported]).
func New(options ...Option) (*Client, error) {
	made := NewClient(options...)
	if made.err != nil {
		return nil, copyOf(made.err)
	}
	return made, nil
}

// Format prints that it is a client, whatever the verb: its options may be secrets.
func (c Client) Format(out fmt.State, _ rune) { _, _ = out.Write([]byte("oci.Client")) }

// use gives the client's engine.
func (c *Client) use() (*engine, error) {
	if c != nil && (c.engine != nil || c.err != nil) {
		return c.engine, copyOf(c.err)
	}
	return engineFor(defaults)
}

// copyOf gives every call its own error, as each completes it with what it was about.
func copyOf(err error) error {
	if made, ok := err.(*Error); ok {
		copied := *made
		return &copied
	}
	return err
}

// BuildFromDirectory builds a directory into an artifact with one layer. The same tree and options give the
// same digest everywhere. The config is anything that marshals to JSON; json.RawMessage is kept byte for byte.
// An empty SourceHash of the three config types is filled with the layer's digest.
//
// What is left out follows the type; a .cldignore file in the directory adds to it, or with "!" takes back.
// Symbolic links that leave the directory or dangle are left out with a warning.
func (c *Client) BuildFromDirectory(ctx context.Context, dir string, artifactType ArtifactType, config any) (*Artifact, error) {
	artifact, _, err := c.BuildWith(ctx, dir, artifactType, config)
	return artifact, err
}

// BuildWith is [Client.BuildFromDirectory] with options for this call and a result, which says what was left
// out and why.
func (c *Client) BuildWith(ctx context.Context, dir string, artifactType ArtifactType, config any, options ...Option) (*Artifact, *Result, error) {
	v := c.verb(request{action: actionBuild, directory: dir, kind: artifactType.orComponent()}, options)
	v.setConfig(config)
	done, err := v.run(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !v.settings.withoutData {
		if err := v.fill(ctx, done.artifact); err != nil {
			return nil, nil, v.failed(ctx, err)
		}
	}
	return done.artifact, &done.Result, nil
}

// BuildAndPush builds a directory as [Client.BuildFromDirectory] does and pushes it, in one pass where the
// registry allows it: the layer is sent while it is packed, without being asked for before. The layers' Data
// is not filled; [Client.ReadLayer] gets it from where it was pushed to.
func (c *Client) BuildAndPush(ctx context.Context, dir string, artifactType ArtifactType, config any, reference string, options ...Option) (*Artifact, *Result, error) {
	v := c.verb(request{action: actionBuildAndPush, directory: dir, kind: artifactType.orComponent(), reference: reference}, options)
	v.setConfig(config)
	done, err := v.run(ctx)
	if err != nil {
		return nil, nil, err
	}
	done.artifact.Reference = reference
	return done.artifact, &done.Result, nil
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
		return nil, noArtifact()
	}
	return c.verb(request{action: actionPush, artifact: artifact, reference: artifact.Reference}, options).result(ctx)
}

func noArtifact() error { return &Error{Code: CodeArgument, Message: "the artifact is nil"} }

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
	v := c.verb(request{action: actionPull, reference: reference, directory: destDir}, options)
	v.settings.preset("existing", string(ExistingMerge))
	done, err := v.run(ctx)
	if err != nil {
		return nil, err
	}
	return &done.Result, nil
}

// PullConfig gives the config's bytes as they were pushed; no layer is touched.
func (c *Client) PullConfig(ctx context.Context, reference string) ([]byte, error) {
	config, _, err := c.PullConfigWith(ctx, reference)
	return config, err
}

// PullConfigWith is [Client.PullConfig] with options for this call and a result, whose digest and size are the
// config's.
func (c *Client) PullConfigWith(ctx context.Context, reference string, options ...Option) ([]byte, *Result, error) {
	done, err := c.verb(request{action: actionPullConfig, reference: reference}, options).run(ctx)
	if err != nil {
		return nil, nil, err
	}
	return done.bytes, &done.Result, nil
}

// Exists says whether an artifact is there. It is false only on a registry's own "not found"; what keeps the
// answer from being known (no access, no connection, a server's failure) is an error.
func (c *Client) Exists(ctx context.Context, reference string) (bool, error) {
	exists, _, err := c.ExistsWith(ctx, reference)
	return exists, err
}

// ExistsWith is [Client.Exists] with options for this call and a result.
func (c *Client) ExistsWith(ctx context.Context, reference string, options ...Option) (bool, *Result, error) {
	done, err := c.verb(request{action: actionExists, reference: reference}, options).run(ctx)
	if err != nil {
		return false, nil, err
	}
	return done.exists, &done.Result, nil
}

// Tag gives the artifact at srcRef the name destRef too: the same manifest. In one repository no blob is sent;
// across repositories they are mounted, across registries copied. The Reference of an [Error] is the one of the
// two that failed.
func (c *Client) Tag(ctx context.Context, srcRef, destRef string) error {
	_, err := c.TagWith(ctx, srcRef, destRef)
	return err
}

// TagWith is [Client.Tag] with options for this call and a result.
func (c *Client) TagWith(ctx context.Context, srcRef, destRef string, options ...Option) (*Result, error) {
	return c.verb(request{action: actionTag, reference: srcRef, target: destRef}, options).result(ctx)
}
