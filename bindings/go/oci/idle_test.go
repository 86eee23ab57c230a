//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
)

// A pull whose context ends leaves nothing beside its destination once the library is idle.
func TestWaitIdleAfterACancelledPull(t *testing.T) {
	tree, into := t.TempDir(), t.TempDir()
	for n := range 500 {
		name := filepath.Join(tree, "file"+strconv.Itoa(n))
		if err := os.WriteFile(name, make([]byte, 20_000+n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	client := oci.NewClient()
	artifact, err := client.BuildFromDirectory(t.Context(), tree, oci.ArtifactTypeComponent, nil)
	if err != nil {
		t.Fatal(err)
	}
	artifact.Reference = "ocidir://" + t.TempDir() + ":v1"
	if err := client.Push(t.Context(), artifact); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*time.Millisecond)
		_ = client.Pull(ctx, artifact.Reference, filepath.Join(into, "pulled"))
		cancel()
		if err := oci.WaitIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadDir(into)
		if err != nil || len(left) > 1 || len(left) == 1 && left[0].Name() != "pulled" {
			t.Fatalf("left beside the destination: %v, %v", left, err)
		}
	}
	// A client that does nothing keeps it from nothing, and where all is idle an ended context is no failure.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := oci.WaitIdle(ended); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
