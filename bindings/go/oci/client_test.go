//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

// contents gives a directory's files and links.
func contents(t testing.TB, directory string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			found[name] = "-> " + target
			return err
		}
		body, err := os.ReadFile(path)
		found[name] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// names gives the entries of a layer's archive.
func names(t testing.TB, layer []byte) (found []string) {
	t.Helper()
	inflated, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(inflated); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, header.Name)
	}
}

func TestBuildFillsEveryField(t *testing.T) {
	artifact := build(t, newClient(t), tree(t, map[string]string{"cld.yml": "name: x", "src/main.go": "package main"}),
		oci.ArtifactTypeComponent, oci.ComponentConfig{SchemaVersion: "v1"})
	if artifact.Type != oci.ArtifactTypeComponent || artifact.Reference != "" || !strings.HasPrefix(artifact.Digest, "sha256:") || len(artifact.Layers) != 1 {
		t.Fatalf("got %+v", artifact)
	}
	layer := artifact.Layers[0]
	if layer.MediaType != oci.MediaTypeComponentLayer || layer.Digest != digestOf(layer.Data) || layer.Size != int64(len(layer.Data)) {
		t.Errorf("got %s %s %d, of %d bytes", layer.MediaType, layer.Digest, layer.Size, len(layer.Data))
	}
	if got, want := names(t, layer.Data), []string{"cld.yml", "src/", "src/main.go"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the layer holds %q, want %q", got, want)
	}
}

func TestBuildAndPush(t *testing.T) {
	for name, host := range map[string]func(testing.TB) string{
		"real":   realRegistry,
		"layout": func(t testing.TB) string { return "ocidir://" + t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, client := context.Background(), newClient(t)
			source := tree(t, map[string]string{"cld.yml": "name: x", "src/main.go": "package main", ".env": "SECRET=1"})
			config := oci.ComponentConfig{SchemaVersion: "v1", Name: "x"}
			reference := host(t) + "/myorg/one:v1"
			artifact, result, err := client.BuildAndPush(ctx, source, oci.ArtifactTypeComponent, config, reference)
			if err != nil {
				t.Fatal(err)
			}
			built := build(t, client, source, oci.ArtifactTypeComponent, config)
			if artifact.Digest != built.Digest || result.Digest != built.Digest || artifact.Reference != reference {
				t.Errorf("pushed %s (%s) to %q, a build makes %s", artifact.Digest, result.Digest, artifact.Reference, built.Digest)
			}
			if len(result.LeftOut) != 1 || artifact.Layers[0].Data != nil {
				t.Errorf("got %+v", result)
			}
			data, err := client.ReadLayer(ctx, &artifact.Layers[0])
			if err != nil || !bytes.Equal(data, built.Layers[0].Data) {
				t.Errorf("read a layer of %d bytes, %v", len(data), err)
			}
			if _, _, err := client.BuildAndPush(ctx, source, oci.ArtifactTypeComponent, config, "no reference"); err == nil {
				t.Error("pushed to what is no reference")
			}
		})
	}
}

func TestWorkflow(t *testing.T) {
	for name, host := range map[string]func(testing.TB) string{
		"fake":   func(t testing.TB) string { return newFakeRegistry(t).host() },
		"real":   realRegistry,
		"layout": func(t testing.TB) string { return "ocidir://" + t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, client := context.Background(), newClient(t)
			files := map[string]string{"cld.yml": "name: x", "src/main.go": "package main", "empty": ""}
			artifact := build(t, client, tree(t, files), oci.ArtifactTypeComponent, oci.ComponentConfig{SchemaVersion: "v1", Name: "x"})
			repository := host(t) + "/myorg/api"
			if exists, err := client.Exists(ctx, repository+":v1"); exists || err != nil {
				t.Fatalf("before the push: %v, %v", exists, err)
			}
			built := artifact.Digest
			artifact.Reference = repository + ":v1"
			if err := client.Push(ctx, artifact); err != nil {
				t.Fatal(err)
			}
			if artifact.Digest != built {
				t.Errorf("an unchanged artifact was built as %s and pushed as %s", built, artifact.Digest)
			}
			if exists, err := client.Exists(ctx, repository+":v1"); !exists || err != nil {
				t.Fatalf("after the push: %v, %v", exists, err)
			}
			config, err := client.PullConfig(ctx, repository+":v1")
			if err != nil || !bytes.Equal(config, artifact.Config) {
				t.Errorf("got the config %s, %v; want %s", config, err, artifact.Config)
			}
			if err := client.Tag(ctx, repository+":v1", repository+":latest"); err != nil {
				t.Fatal(err)
			}
			for _, reference := range []string{repository + ":latest", repository + "@" + artifact.Digest} {
				resolved, err := client.Resolve(ctx, reference)
				if err != nil || resolved.Digest != artifact.Digest || resolved.MediaType != "application/vnd.oci.image.manifest.v1+json" || resolved.Size == 0 {
					t.Errorf("%s resolves to %+v, %v", reference, resolved, err)
				}
			}
			tags, err := client.ListTags(ctx, repository)
			if err != nil || !reflect.DeepEqual(tags, []string{"latest", "v1"}) {
				t.Errorf("got the tags %q, %v", tags, err)
			}
			destination := filepath.Join(t.TempDir(), "missing", "parents")
			if err := client.Pull(ctx, repository+":latest", destination); err != nil {
				t.Fatal(err)
			}
			if got := contents(t, destination); !reflect.DeepEqual(got, files) {
				t.Errorf("pulled %q, want %q", got, files)
			}
			inspected, err := client.Inspect(ctx, repository+":v1")
			if err != nil || inspected.Digest != artifact.Digest || inspected.Type != oci.ArtifactTypeComponent || inspected.Layers[0].Data != nil || inspected.Layers[0].Digest != artifact.Layers[0].Digest {
				t.Errorf("inspected %+v, %v", inspected, err)
			}
		})
	}
}

// TestCallersOfToday does what cldctl's build command does: hash config and data, overwrite the digest.
func TestCallersOfToday(t *testing.T) {
	registry := newFakeRegistry(t)
	client := newClient(t)
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, &oci.ComponentConfig{SchemaVersion: "v1"})
	hash, size := sha256.New(), 0
	hash.Write(artifact.Config)
	for _, layer := range artifact.Layers {
		hash.Write(layer.Data)
		size += len(layer.Data)
	}
	if size == 0 {
		t.Fatal("no data")
	}
	built := artifact.Digest
	artifact.Digest = fmt.Sprintf("sha256:%x", hash.Sum(nil))
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(context.Background(), artifact); err != nil {
		t.Fatal(err)
	}
	if _, pushed := registry.manifestOf(t, "org/app:v1"); pushed != built || artifact.Digest != built {
		t.Errorf("built %s, pushed %s, the field says %s", built, pushed, artifact.Digest)
	}
}

// TestPushSendsWhatTheFieldsSay changes each field after the build.
func TestPushSendsWhatTheFieldsSay(t *testing.T) {
	registry := newFakeRegistry(t)
	client := newClient(t)
	directory := tree(t, map[string]string{"a": "1"})
	other := build(t, client, tree(t, map[string]string{"b": "2"}), oci.ArtifactTypeModule, oci.ModuleConfig{})
	artifact := build(t, client, directory, oci.ArtifactTypeComponent, oci.ComponentConfig{})
	built := *artifact
	artifact.Reference = registry.host() + "/org/app:v1"
	artifact.Type = oci.ArtifactTypeModule
	artifact.Config = []byte(`{"mine":true}`)
	artifact.Annotations = map[string]string{"k=k": "v\nw"}
	artifact.Layers = []oci.Layer{{Data: bytes.Clone(other.Layers[0].Data), Annotations: map[string]string{"l": "m"}}, artifact.Layers[0]}
	if err := client.Push(context.Background(), artifact); err != nil {
		t.Fatal(err)
	}
	manifest, digest := registry.manifestOf(t, "org/app:v1")
	if digest != artifact.Digest || digest == built.Digest {
		t.Errorf("the field says %s, the registry %s, the build said %s", artifact.Digest, digest, built.Digest)
	}
	if manifest.Config.MediaType != oci.MediaTypeModuleConfig || string(registry.blob(manifest.Config.Digest)) != `{"mine":true}` {
		t.Errorf("the config is %+v: %s", manifest.Config, registry.blob(manifest.Config.Digest))
	}
	if !reflect.DeepEqual(manifest.Annotations, map[string]string{"k=k": "v\nw"}) {
		t.Errorf("the annotations are %q", manifest.Annotations)
	}
	if len(manifest.Layers) != 2 {
		t.Fatalf("got %d layers", len(manifest.Layers))
	}
	first, second := manifest.Layers[0], manifest.Layers[1]
	if first.MediaType != oci.MediaTypeModuleLayer || !bytes.Equal(registry.blob(first.Digest), other.Layers[0].Data) || first.Annotations["l"] != "m" {
		t.Errorf("the first layer is %+v", first)
	}
	if second.MediaType != oci.MediaTypeComponentLayer || !bytes.Equal(registry.blob(second.Digest), built.Layers[0].Data) {
		t.Errorf("the second layer is %+v", second)
	}
	// Bytes changed in place count too.
	artifact.Layers[1].Data[0] ^= 1
	if err := client.Push(context.Background(), artifact); err != nil {
		t.Fatal(err)
	}
	manifest, _ = registry.manifestOf(t, "org/app:v1")
	if got := registry.blob(manifest.Layers[1].Digest); !bytes.Equal(got, artifact.Layers[1].Data) {
		t.Error("a change in place was not sent")
	}
}

func TestArtifactsMadeByHand(t *testing.T) {
	registry, ctx := newFakeRegistry(t), context.Background()
	client := newClient(t)
	data := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil).Layers[0].Data
	for _, row := range []struct {
		name         string
		artifact     oci.Artifact
		config, kind string
	}{
		{"bare", oci.Artifact{Layers: []oci.Layer{{Data: data}}}, oci.MediaTypeComponentConfig, oci.MediaTypeComponentLayer},
		{"typed", oci.Artifact{Type: oci.ArtifactTypeDatacenter, Layers: []oci.Layer{{Data: data}}}, oci.MediaTypeDatacenterConfig, oci.MediaTypeDatacenterLayer},
		{"told", oci.Artifact{Layers: []oci.Layer{{MediaType: oci.MediaTypeModuleLayer, Data: data}}}, oci.MediaTypeModuleConfig, oci.MediaTypeModuleLayer},
	} {
		artifact := row.artifact
		artifact.Reference = registry.host() + "/hand/" + row.name + ":v1"
		if err := client.Push(ctx, &artifact); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		manifest, digest := registry.manifestOf(t, "hand/"+row.name+":v1")
		if manifest.Config.MediaType != row.config || manifest.Layers[0].MediaType != row.kind || artifact.Digest != digest {
			t.Errorf("%s: got %+v as %s, the field says %s", row.name, manifest, digest, artifact.Digest)
		}
		if config, err := client.PullConfig(ctx, artifact.Reference); err != nil || string(config) != "{}" {
			t.Errorf("%s: the config is %q, %v", row.name, config, err)
		}
		destination := t.TempDir()
		if err := client.Pull(ctx, artifact.Reference, destination); err != nil || contents(t, destination)["a"] != "1" {
			t.Errorf("%s: pulled %q, %v", row.name, contents(t, destination), err)
		}
	}
	err := client.Push(ctx, &oci.Artifact{Reference: registry.host() + "/hand/none:v1", Layers: []oci.Layer{{Digest: digestOf(data)}}})
	if !errors.Is(err, oci.ErrArgument) || !strings.Contains(err.Error(), "layer 0") {
		t.Errorf("a layer without data: %v", err)
	}
	if err := client.Push(ctx, nil); !errors.Is(err, oci.ErrArgument) {
		t.Errorf("a nil artifact: %v", err)
	}
}

func TestWithoutLayerData(t *testing.T) {
	registry, ctx := newFakeRegistry(t), context.Background()
	directory := tree(t, map[string]string{"a": strings.Repeat("x", 1<<20)})
	with := build(t, newClient(t), directory, oci.ArtifactTypeComponent, nil)
	client := newClient(t, oci.WithoutLayerData())
	without := build(t, client, directory, oci.ArtifactTypeComponent, nil)
	layer := without.Layers[0]
	if layer.Data != nil || layer.Digest != with.Layers[0].Digest || layer.Size != with.Layers[0].Size || without.Digest != with.Digest {
		t.Errorf("got %s %d bytes, want %s", layer.Digest, len(layer.Data), with.Layers[0].Digest)
	}
	copied := *without // the bytes stay as long as any copy refers to them
	copied.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, &copied); err != nil {
		t.Fatal(err)
	}
	manifest, digest := registry.manifestOf(t, "org/app:v1")
	if digest != with.Digest || !bytes.Equal(registry.blob(manifest.Layers[0].Digest), with.Layers[0].Data) {
		t.Errorf("pushed %s, want %s", digest, with.Digest)
	}
}

func TestLinksThatLeaveTheTreeAreSkippedWithAWarning(t *testing.T) {
	directory := tree(t, map[string]string{"a": "1", "outside/b": "2"})
	root := filepath.Join(directory, "root")
	for name, target := range map[string]string{"in": "kept", "out": "../a", "absolute": "/etc/passwd", "dangling": "nowhere"} {
		if err := os.MkdirAll(root, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "kept"), []byte("3"), 0o644); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	client := newClient(t, oci.WithWarnings(func(warning string) { warnings = append(warnings, warning) }))
	artifact := build(t, client, root, oci.ArtifactTypeComponent, nil)
	if got, want := names(t, artifact.Layers[0].Data), []string{"in", "kept"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the layer holds %q, want %q", got, want)
	}
	told := strings.Join(warnings, "\n")
	for _, name := range []string{"out", "absolute", "dangling"} {
		if !strings.Contains(told, name) {
			t.Errorf("no warning of %s in %q", name, warnings)
		}
	}
	_, err := newClient(t, oci.WithLinks(oci.LinksError)).BuildFromDirectory(context.Background(), root, oci.ArtifactTypeComponent, nil)
	if !errors.Is(err, oci.ErrUnsafe) {
		t.Errorf("under LinksError: %v", err)
	}
	_, _, err = client.BuildWith(context.Background(), root, oci.ArtifactTypeComponent, nil, oci.WithLinks(oci.LinksError))
	if !errors.Is(err, oci.ErrUnsafe) {
		t.Errorf("under LinksError of the call: %v", err)
	}
}

func TestConcurrentPushesOfOneArtifact(t *testing.T) {
	registry := newFakeRegistry(t)
	client := newClient(t)
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	artifact.Config = []byte(`{"changed":true}`)
	var group sync.WaitGroup
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := client.Push(context.Background(), artifact); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if _, digest := registry.manifestOf(t, "org/app:v1"); digest != artifact.Digest {
		t.Errorf("got %s, want %s", artifact.Digest, digest)
	}
}
