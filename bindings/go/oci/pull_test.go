//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

func TestPullDestinations(t *testing.T) {
	registry, ctx := newFakeRegistry(t), context.Background()
	client := newClient(t)
	files := map[string]string{"a": "new", "d/b": "new"}
	artifact := build(t, client, tree(t, files), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	t.Run("merges into one that is not empty", func(t *testing.T) {
		destination := tree(t, map[string]string{"a": "old", "mine": "kept", "d/c": "kept"})
		if err := client.Pull(ctx, artifact.Reference, destination); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"a": "new", "d/b": "new", "mine": "kept", "d/c": "kept"}
		if got := contents(t, destination); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("follows a link", func(t *testing.T) {
		real, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(real, link); err != nil {
			t.Fatal(err)
		}
		if err := client.Pull(ctx, artifact.Reference, link); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, real); !reflect.DeepEqual(got, files) {
			t.Errorf("got %q, want %q", got, files)
		}
	})
	t.Run("the working directory", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := client.Pull(ctx, artifact.Reference, "."); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, "."); !reflect.DeepEqual(got, files) {
			t.Errorf("got %q, want %q", got, files)
		}
	})
	t.Run("options of the call", func(t *testing.T) {
		destination := tree(t, map[string]string{"mine": "x"})
		if _, err := client.PullWith(ctx, artifact.Reference, destination, oci.WithExisting(oci.ExistingRefuse)); !errors.Is(err, oci.ErrExists) {
			t.Errorf("refuse: %v", err)
		}
		result, err := client.PullWith(ctx, artifact.Reference, destination, oci.WithExisting(oci.ExistingReplace))
		if err != nil || result.Digest != artifact.Digest || result.Counters.Requests == 0 {
			t.Fatalf("replace: %+v, %v", result, err)
		}
		if got := contents(t, destination); !reflect.DeepEqual(got, files) {
			t.Errorf("got %q, want %q", got, files)
		}
	})
	t.Run("nothing appears when a blob is bad", func(t *testing.T) {
		manifest, _ := registry.manifestOf(t, "org/app:v1")
		registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, manifest.Layers[0].Digest) {
				bad := bytes.Clone(registry.blob(manifest.Layers[0].Digest))
				bad[len(bad)/2] ^= 1
				_, _ = w.Write(bad)
				return true
			}
			return false
		})
		defer func() { registry.intercept(nil) }()
		parent := t.TempDir()
		err := client.Pull(ctx, artifact.Reference, filepath.Join(parent, "destination"))
		if err == nil || !strings.HasPrefix(err.Error(), "failed to pull: ") {
			t.Errorf("got %v", err)
		}
		if left := contents(t, parent); len(left) != 0 {
			t.Errorf("left %q", left)
		}
	})
}
