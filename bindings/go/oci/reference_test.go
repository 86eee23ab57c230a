//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"errors"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

func TestParseReference(t *testing.T) {
	for _, row := range []struct{ text, registry, repository, tag, digest, whole string }{
		{"nginx", "docker.io", "library/nginx", "latest", "", "docker.io/library/nginx:latest"},
		{"nginx:1.21", "docker.io", "library/nginx", "1.21", "", "docker.io/library/nginx:1.21"},
		{"myorg/myapp", "docker.io", "myorg/myapp", "latest", "", "docker.io/myorg/myapp:latest"},
		{"myorg/myapp:v1.0.0", "docker.io", "myorg/myapp", "v1.0.0", "", "docker.io/myorg/myapp:v1.0.0"},
		{"ghcr.io/myorg/myapp:latest", "ghcr.io", "myorg/myapp", "latest", "", "ghcr.io/myorg/myapp:latest"},
		{"localhost:5000/myapp:v1", "localhost:5000", "myapp", "v1", "", "localhost:5000/myapp:v1"},
		{"gcr.io/my-project/my-image:tag", "gcr.io", "my-project/my-image", "tag", "", "gcr.io/my-project/my-image:tag"},
		{"nginx@sha256:abc123", "docker.io", "library/nginx", "", "sha256:abc123", "docker.io/library/nginx@sha256:abc123"},
		{"nginx:latest@sha256:abc123", "docker.io", "library/nginx", "latest", "sha256:abc123", "docker.io/library/nginx:latest@sha256:abc123"},
		{"ghcr.io/myorg/myapp:v1.0.0@sha256:abc123def456", "ghcr.io", "myorg/myapp", "v1.0.0", "sha256:abc123def456", "ghcr.io/myorg/myapp:v1.0.0@sha256:abc123def456"},
		{"localhost/myapp:test", "localhost", "myapp", "test", "", "localhost/myapp:test"},
		{"123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repo:latest", "123456789012.dkr.ecr.us-west-2.amazonaws.com", "my-repo", "latest", "", "123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repo:latest"},
		{"myregistry.azurecr.io/samples/hello-world:v1", "myregistry.azurecr.io", "samples/hello-world", "v1", "", "myregistry.azurecr.io/samples/hello-world:v1"},
		{"ocidir:///var/artifacts:v1", "ocidir:", "//var/artifacts", "v1", "", "ocidir:///var/artifacts:v1"},
		{"ocidir://layout", "ocidir:", "/layout", "", "", "ocidir://layout"},
	} {
		got, err := oci.ParseReference(row.text)
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		want := oci.Reference{Registry: row.registry, Repository: row.repository, Tag: row.tag, Digest: row.digest}
		if *got != want || got.String() != row.whole {
			t.Errorf("%s: got %+v (%s), want %+v (%s)", row.text, *got, got, want, row.whole)
		}
		again, err := oci.ParseReference(got.String())
		if err != nil || *again != *got {
			t.Errorf("%s: its String does not parse back: %+v, %v", row.text, again, err)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, text := range []string{"", "ghcr.io/Upper/case:v1", "a b", "nginx:", "https://ghcr.io/a/b", "nginx@nodigest", "nul\x00byte"} {
		got, err := oci.ParseReference(text)
		if got != nil || !errors.Is(err, oci.ErrArgument) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

func TestReferenceStringOfEmptyParts(t *testing.T) {
	bare := oci.Reference{Registry: "ghcr.io", Repository: "a/b"}
	if got := bare.String(); got != "ghcr.io/a/b" {
		t.Errorf("got %s", got)
	}
}
