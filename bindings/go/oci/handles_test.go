//go:build cgo && linux && !cldoci_none

package oci

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestClientsShareAnEngine and free it: there is no closing.
func TestClientsShareAnEngine(t *testing.T) {
	a, b := NewClient(WithUserAgent("shared")), NewClient(WithUserAgent("shared"))
	if a.engine == nil || a.engine != b.engine {
		t.Error("two clients with the same options have two engines")
	}
	if other := NewClient(WithUserAgent("other")); other.engine == a.engine {
		t.Error("clients with other options share an engine")
	}
	if c := NewClient(WithUserAgent("shared"), WithProgress(func(Progress) {}), WithWarnings(func(string) {})); c.engine != a.engine {
		t.Error("functions are no options of the engine")
	}
	t.Setenv("CLDOCI_TEST_OF_ENGINES", "1")
	if c := NewClient(WithUserAgent("shared")); c.engine == a.engine {
		t.Error("the environment changed, and the engine did not")
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// TestNothingLeaks uses each kind of handle, drops all, and counts what the library still holds.
func TestNothingLeaks(t *testing.T) {
	directory, store := t.TempDir(), filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(filepath.Join(directory, "a"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	listed := func() int {
		engines.Lock()
		defer engines.Unlock()
		return len(engines.byKey)
	}
	wait := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); liveHandles() != 0 || listed() != 0; {
			runtime.GC()
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d handles are live, %d engines listed", what, liveHandles(), listed())
			}
			time.Sleep(time.Millisecond)
		}
	}
	wait("before")
	func() {
		ctx, layout := context.Background(), layoutScheme+filepath.Join(t.TempDir(), "layout")
		client := NewClient(WithStore(store))
		artifact, err := client.BuildFromDirectory(ctx, directory, ArtifactTypeComponent, nil)
		if err != nil {
			t.Fatal(err)
		}
		artifact.Reference = layout + ":v1"
		if err := client.Push(ctx, artifact); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Inspect(ctx, artifact.Reference); err != nil {
			t.Fatal(err)
		}
		if err := client.Pull(ctx, artifact.Reference, filepath.Join(t.TempDir(), "x")); err != nil {
			t.Fatal(err)
		}
		if err := client.Pull(ctx, layout+":none", t.TempDir()); err == nil {
			t.Fatal("a tag that isn't there was pulled")
		}
		if _, err := ParseReference("a b"); err == nil {
			t.Fatal("a bad reference was parsed")
		}
		if liveHandles() == 0 {
			t.Fatal("the count of handles does not count")
		}
		runtime.KeepAlive(artifact)
	}()
	wait("after")
}

// TestManyWaitersNeedNoDescriptor: what is beyond the limit asks instead, and hears of progress too.
func TestManyWaitersNeedNoDescriptor(t *testing.T) {
	for range descriptorLimit {
		descriptors <- struct{}{}
	}
	defer func() {
		for range descriptorLimit {
			<-descriptors
		}
	}()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "a"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	var last Progress
	client := NewClient(WithStore(filepath.Join(t.TempDir(), "store")), WithProgress(func(p Progress) { last = p }))
	if _, err := client.BuildFromDirectory(context.Background(), directory, ArtifactTypeComponent, nil); err != nil {
		t.Fatal(err)
	}
	if last.Phase != PhaseDone {
		t.Errorf("the last report is %+v", last)
	}
}
