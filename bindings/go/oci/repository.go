//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

import "context"

// at runs a verb on one reference; the caller frees the result.
func (c *Client) at(ctx context.Context, reference string, words func(*Error) *Error, options []Option,
	start func(in *entry, at *C.cldoci_reference) C.cldoci_status,
) (*verb, *C.cldoci_result, error) {
	v := c.verb(reference, words, options)
	at, err := v.refer("reference", reference)
	if err != nil {
		return nil, nil, err
	}
	defer C.cldoci_reference_free(at)
	result, err := v.run(ctx, func(in *entry) C.cldoci_status {
		return start(in, at)
	})
	return v, result, err
}

// Resolve gives the digest, media type and size of what a reference names, without a download. It is the right
// question for whether a cached copy is fresh.
func (c *Client) Resolve(ctx context.Context, reference string, options ...Option) (*Descriptor, error) {
	_, result, err := c.at(ctx, reference, failedTo("resolve"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_resolve_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	found := resultOf(result)
	return &Descriptor{MediaType: found.MediaType, Digest: found.Digest, Size: found.Size}, nil
}

// ListTags gives the tags of a repository or a layout, sorted by their bytes. The reference's own tag means
// nothing.
func (c *Client) ListTags(ctx context.Context, repository string, options ...Option) ([]string, error) {
	_, result, err := c.at(ctx, repository, failedTo("list tags"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_list_tags_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	tags := make([]string, C.cldoci_result_tag_count(result))
	for i := range tags {
		tags[i] = lent(func(n *C.size_t) *C.char { return C.cldoci_result_tag(result, C.size_t(i), n) })
	}
	return tags, nil
}

// Inspect gives an artifact without its layers' bytes: Layer.Data is nil. It can be pushed elsewhere.
func (c *Client) Inspect(ctx context.Context, reference string, options ...Option) (*Artifact, error) {
	v, result, err := c.at(ctx, reference, failedTo("inspect"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_inspect_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	artifact, err := v.artifactOf(ctx, result, false)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	artifact.Reference = reference
	return artifact, nil
}

// Copy copies an artifact, or an index with all it lists, from one place to another; blobs that are there are
// skipped.
func (c *Client) Copy(ctx context.Context, srcRef, destRef string, options ...Option) (*Result, error) {
	return c.between(ctx, srcRef, destRef, failedTo("copy"), options, func(in *entry, from, to *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_copy_start(in.client, from, to, in.options, &in.operation, &in.object)
	})
}

// Delete deletes a tag, or, for a reference with a digest, a manifest with all its tags.
func (c *Client) Delete(ctx context.Context, reference string, options ...Option) error {
	_, result, err := c.at(ctx, reference, failedTo("delete"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_delete_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return err
	}
	C.cldoci_result_free(result)
	return nil
}

// CollectGarbage removes from a layout, "ocidir://PATH", the blobs that no tag and no manifest in it leads to, and
// gives how many bytes that freed. A registry collects its own: [ErrUnsupported].
func (c *Client) CollectGarbage(ctx context.Context, layout string, options ...Option) (int64, error) {
	_, result, err := c.at(ctx, layout, failedTo("collect garbage"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_collect_garbage_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return 0, err
	}
	defer C.cldoci_result_free(result)
	return int64(C.cldoci_result_size(result)), nil
}

// Attach pushes an artifact that refers to the one at subject, beside it in the same repository, and sets
// artifact.Digest. artifact.Reference is not looked at.
func (c *Client) Attach(ctx context.Context, artifact *Artifact, subject string, options ...Option) (*Result, error) {
	if artifact == nil {
		return nil, &Error{Code: CodeArgument, Message: "the artifact is nil"}
	}
	sent, err := c.give(artifact)
	if err != nil {
		return nil, err
	}
	defer C.cldoci_artifact_free(sent)
	_, result, err := c.at(ctx, subject, failedTo("attach"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_attach_start(in.client, sent, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	made := resultOf(result)
	artifact.setDigest(made.Digest)
	return made, nil
}

// Referrers lists what refers to an artifact.
func (c *Client) Referrers(ctx context.Context, reference string, options ...Option) ([]Descriptor, error) {
	_, result, err := c.at(ctx, reference, failedTo("list referrers"), options, func(in *entry, at *C.cldoci_reference) C.cldoci_status {
		return C.cldoci_referrers_start(in.client, at, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	found := make([]Descriptor, C.cldoci_result_referrer_count(result))
	for i := range found {
		at := C.size_t(i)
		found[i] = Descriptor{
			MediaType:    lent(func(n *C.size_t) *C.char { return C.cldoci_result_referrer_media_type(result, at, n) }),
			Digest:       lent(func(n *C.size_t) *C.char { return C.cldoci_result_referrer_digest(result, at, n) }),
			Size:         int64(C.cldoci_result_referrer_size(result, at)),
			ArtifactType: lent(func(n *C.size_t) *C.char { return C.cldoci_result_referrer_artifact_type(result, at, n) }),
			Annotations: pairs(C.cldoci_result_referrer_annotation_count(result, at),
				func(k C.size_t, n *C.size_t) *C.char {
					return C.cldoci_result_referrer_annotation_key(result, at, k, n)
				},
				func(k C.size_t, n *C.size_t) *C.char {
					return C.cldoci_result_referrer_annotation_value(result, at, k, n)
				}),
		}
	}
	return found, nil
}
