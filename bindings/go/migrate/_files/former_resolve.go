package oci

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Option stands for the options of the client that takes this one's place, so that callers compile with both.
type Option func()

// Descriptor names content.
type Descriptor struct {
	MediaType string
	Digest    string
	Size      int64
}

// Resolve gives the digest of what a reference names, whoever pushed it, without a download.
func (c *Client) Resolve(ctx context.Context, reference string, _ ...Option) (*Descriptor, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("invalid reference: %w", err)
	}
	found, err := remote.Head(ref, remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("failed to resolve: %w", err)
	}
	return &Descriptor{MediaType: string(found.MediaType), Digest: found.Digest.String(), Size: found.Size}, nil
}
