//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

// TestReadLayer gives the same bytes wherever they are.
func TestReadLayer(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	artifact := build(t, client, tree(t, map[string]string{"a": strings.Repeat("0123456789", 50_000)}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	want := artifact.Layers[0].Data
	inspected, err := client.Inspect(ctx, artifact.Reference)
	if err != nil || inspected.Layers[0].Data != nil {
		t.Fatal(err)
	}
	pulled, err := client.PullWith(ctx, artifact.Reference, filepath.Join(t.TempDir(), "x"))
	if err != nil || pulled.Artifact.Digest != artifact.Digest || !bytes.Equal(pulled.Artifact.Config, artifact.Config) {
		t.Fatalf("got %+v, %v", pulled, err)
	}
	for name, layer := range map[string]*oci.Layer{"built": &artifact.Layers[0], "inspected": &inspected.Layers[0], "pulled": &pulled.Artifact.Layers[0]} {
		layer.Size = 1 // the caller's to overwrite, and no size of a buffer
		if got, err := client.ReadLayer(ctx, layer); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		var written bytes.Buffer
		if err := client.WriteLayer(ctx, &written, layer); err != nil || !bytes.Equal(written.Bytes(), want) {
			t.Errorf("%s: %d bytes were written, %v", name, written.Len(), err)
		}
	}
	if _, err := client.ReadLayer(ctx, &oci.Layer{}); !errors.Is(err, oci.ErrArgument) {
		t.Errorf("a layer of nothing: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteLayerFails(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	artifact := build(t, client, tree(t, map[string]string{"a": strings.Repeat("0123456789", 500_000)}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	inspected, err := client.Inspect(ctx, artifact.Reference)
	if err != nil {
		t.Fatal(err)
	}
	layer := &inspected.Layers[0]
	full := errors.New("the writer is full")
	if err := client.WriteLayer(ctx, failingWriter{full}, layer); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, layer.Digest) {
			cancel()
		}
		return false
	})
	if err := client.WriteLayer(cancelled, io.Discard, layer); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := client.WriteLayer(cancelled, io.Discard, layer); !errors.Is(err, context.Canceled) {
		t.Errorf("after the cancel: %v", err)
	}
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, layer.Digest) {
			return false
		}
		_, _ = w.Write(make([]byte, len(artifact.Layers[0].Data)))
		return true
	})
	if _, err := client.ReadLayer(ctx, layer); !errors.Is(err, oci.ErrDigest) {
		t.Errorf("other bytes: %v", err)
	}
}

// TestFileLayer sends a file as it is, and notices when it changes.
func TestFileLayer(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	file := filepath.Join(t.TempDir(), "model.bin")
	if err := os.WriteFile(file, []byte("weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	layer := oci.FileLayer("application/octet-stream", file)
	layer.Annotations = map[string]string{"org.opencontainers.image.title": "model.bin"}
	artifact := &oci.Artifact{Type: "application/vnd.test.model", Reference: registry.host() + "/org/model:v1", Layers: []oci.Layer{layer}}
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	manifest, _ := registry.manifestOf(t, "org/model:v1")
	if got := registry.blob(manifest.Layers[0].Digest); string(got) != "weights" {
		t.Errorf("the registry has %q", got)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := client.Pull(ctx, artifact.Reference, out); err != nil || contents(t, out)["model.bin"] != "weights" {
		t.Errorf("got %v, %v", contents(t, out), err)
	}
	artifact.Layers[0] = oci.FileLayer("", filepath.Join(t.TempDir(), "absent"))
	if err := client.Push(ctx, artifact); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestVerbsWithOptions: each verb whose signature is fixed has one that takes options and gives a result.
func TestVerbsWithOptions(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	tagged, err := client.TagWith(ctx, artifact.Reference, registry.host()+"/org/app:v2", oci.WithRetries(0))
	if err != nil || tagged.Digest != artifact.Digest || tagged.Counters.Requests == 0 || tagged.Counters.BlobsUploaded != 0 {
		t.Errorf("got %+v, %v", tagged, err)
	}
	exists, result, err := client.ExistsWith(ctx, registry.host()+"/org/app:v2")
	if !exists || err != nil || result.Digest != artifact.Digest || result.Counters.Requests != 1 {
		t.Errorf("got %v, %+v, %v", exists, result, err)
	}
	if _, _, err := client.PullConfigWith(ctx, artifact.Reference, oci.WithOption("max_config_bytes", "1")); !errors.Is(err, oci.ErrLimit) {
		t.Errorf("got %v", err)
	}
}
