package oci

import "context"

// Resolve gives the digest, media type and size of what a reference names, without a download. It is the right
// question for whether a cached copy is fresh.
func (c *Client) Resolve(ctx context.Context, reference string, options ...Option) (*Descriptor, error) {
	done, err := c.verb(request{action: actionResolve, reference: reference}, options).run(ctx)
	if err != nil {
		return nil, err
	}
	return &Descriptor{MediaType: done.MediaType, Digest: done.Digest, Size: done.Size}, nil
}

// ListTags gives the tags of a repository or a layout, sorted by their bytes. The reference's own tag means
// nothing.
func (c *Client) ListTags(ctx context.Context, repository string, options ...Option) ([]string, error) {
	done, err := c.verb(request{action: actionListTags, reference: repository}, options).run(ctx)
	if err != nil {
		return nil, err
	}
	return done.tags, nil
}

// Inspect gives an artifact without its layers' bytes: Layer.Data is nil. It can be pushed elsewhere.
func (c *Client) Inspect(ctx context.Context, reference string, options ...Option) (*Artifact, error) {
	done, err := c.verb(request{action: actionInspect, reference: reference}, options).run(ctx)
	if err != nil {
		return nil, err
	}
	done.artifact.Reference = reference
	return done.artifact, nil
}

// Manifest is what lies at a reference, as it lies there.
type Manifest struct {
	Descriptor Descriptor // media type, digest and size
	Bytes      []byte     // the manifest's or the index's
	Entries    []Entry    // what an index lists, in its order; empty for what is no index
}

// Entry is a manifest that an index lists.
type Entry struct {
	Descriptor Descriptor // without annotations, which the index's bytes have
	Platform   string     // "os/architecture[/variant]", as the option platform takes it; empty where it has none
}

// ReadManifest gives a manifest's bytes, of an artifact, of an image or of an index, and what an index lists. No
// platform is chosen; an entry's digest in a reference gets its manifest in turn.
func (c *Client) ReadManifest(ctx context.Context, reference string, options ...Option) (*Manifest, error) {
	done, err := c.verb(request{action: actionReadManifest, reference: reference}, options).run(ctx)
	if err != nil {
		return nil, err
	}
	about := Descriptor{MediaType: done.MediaType, Digest: done.Digest, Size: done.Size}
	return &Manifest{Descriptor: about, Bytes: done.bytes, Entries: done.entries}, nil
}

// Copy copies an artifact, or an index with all it lists, from one place to another; blobs that are there are
// skipped. The Reference of an [Error] is the one of the two that failed.
func (c *Client) Copy(ctx context.Context, srcRef, destRef string, options ...Option) (*Result, error) {
	return c.verb(request{action: actionCopy, reference: srcRef, target: destRef}, options).result(ctx)
}

// Delete deletes a tag, or, for a reference with a digest, a manifest with all its tags.
func (c *Client) Delete(ctx context.Context, reference string, options ...Option) error {
	_, err := c.verb(request{action: actionDelete, reference: reference}, options).run(ctx)
	return err
}

// CollectGarbage removes from a layout, "ocidir://PATH", the blobs that no tag and no manifest in it leads to, and
// gives how many bytes that freed. A registry collects its own: [ErrUnsupported].
func (c *Client) CollectGarbage(ctx context.Context, layout string, options ...Option) (int64, error) {
	done, err := c.verb(request{action: actionCollectGarbage, reference: layout}, options).run(ctx)
	if err != nil {
		return 0, err
	}
	return done.Size, nil
}

// Attach pushes an artifact that refers to the one at subject, beside it in the same repository, and sets
// artifact.Digest. artifact.Reference is not looked at.
func (c *Client) Attach(ctx context.Context, artifact *Artifact, subject string, options ...Option) (*Result, error) {
	if artifact == nil {
		return nil, noArtifact()
	}
	return c.verb(request{action: actionAttach, artifact: artifact, reference: subject}, options).result(ctx)
}

// Referrers lists what refers to an artifact.
func (c *Client) Referrers(ctx context.Context, reference string, options ...Option) ([]Descriptor, error) {
	done, err := c.verb(request{action: actionReferrers, reference: reference}, options).run(ctx)
	if err != nil {
		return nil, err
	}
	return done.referrers, nil
}

// Login tries a user name and a password (or an access token) at a registry, "ghcr.io" or "localhost:5000", and
// keeps them where docker would: in the credential helper that its configuration names, else in its file. The
// result's CredentialSource says where.
func (c *Client) Login(ctx context.Context, registry, username, password string, options ...Option) (*Result, error) {
	return c.verb(request{action: actionLogin, reference: registry, username: username, password: hide(password)}, options).result(ctx)
}

// Logout removes a registry's credential from where docker keeps it, and says whether there was one.
func (c *Client) Logout(ctx context.Context, registry string, options ...Option) (bool, error) {
	done, err := c.verb(request{action: actionLogout, reference: registry}, options).run(ctx)
	if err != nil {
		return false, err
	}
	return done.exists, nil
}
