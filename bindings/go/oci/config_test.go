//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

func TestConfigJSON(t *testing.T) {
	for _, row := range []struct {
		config any
		want   string
	}{
		{oci.ComponentConfig{}, `{"schemaVersion":""}`},
		{oci.ComponentConfig{
			SchemaVersion: "v1", Name: "n", Description: "d", Readme: "r", ChildArtifacts: map[string]string{"b": "2", "a": "1"},
			SourceHash: "s", BuildTime: "t",
		}, `{"schemaVersion":"v1","name":"n","description":"d","readme":"r","childArtifacts":{"a":"1","b":"2"},"sourceHash":"s","buildTime":"t"}`},
		{oci.DatacenterConfig{}, `{"schemaVersion":"","name":""}`},
		{oci.DatacenterConfig{
			SchemaVersion: "v1", Name: "n", ModuleArtifacts: map[string]string{"m": "r"}, ExtendsImage: "e", SourceHash: "s", BuildTime: "t",
		}, `{"schemaVersion":"v1","name":"n","moduleArtifacts":{"m":"r"},"extendsImage":"e","sourceHash":"s","buildTime":"t"}`},
		{oci.ModuleConfig{}, `{"plugin":"","name":""}`},
		{oci.ModuleConfig{
			Plugin: "opentofu", Name: "n", Inputs: map[string]string{"i": "string"}, Outputs: map[string]string{"o": "string"}, SourceHash: "s", BuildTime: "t",
		}, `{"plugin":"opentofu","name":"n","inputs":{"i":"string"},"outputs":{"o":"string"},"sourceHash":"s","buildTime":"t"}`},
	} {
		got, err := json.Marshal(row.config)
		if err != nil || string(got) != row.want {
			t.Errorf("%T:\n got %s, %v\nwant %s", row.config, got, err, row.want)
		}
	}
}

// tree makes a directory of files.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func build(t testing.TB, client *oci.Client, directory string, kind oci.ArtifactType, config any) *oci.Artifact {
	t.Helper()
	artifact, err := client.BuildFromDirectory(context.Background(), directory, kind, config)
	if err != nil {
		t.Fatal(err)
	}
	return artifact
}

// newClient gives a client with a store of the test's own.
func newClient(t testing.TB, options ...oci.Option) *oci.Client {
	t.Helper()
	return oci.NewClient(append([]oci.Option{oci.WithStore(filepath.Join(t.TempDir(), "store"))}, options...)...)
}

func TestEmptySourceHashIsFilled(t *testing.T) {
	client, directory := newClient(t), tree(t, map[string]string{"a": "1"})
	sourceHash := func(kind oci.ArtifactType, config any) (string, *oci.Artifact) {
		artifact := build(t, client, directory, kind, config)
		var parsed struct{ SourceHash string }
		if err := json.Unmarshal(artifact.Config, &parsed); err != nil {
			t.Fatal(err)
		}
		return parsed.SourceHash, artifact
	}
	for _, row := range []struct {
		kind   oci.ArtifactType
		config any
	}{
		{oci.ArtifactTypeComponent, oci.ComponentConfig{SchemaVersion: "v1"}},
		{oci.ArtifactTypeComponent, &oci.ComponentConfig{SchemaVersion: "v1"}},
		{oci.ArtifactTypeDatacenter, oci.DatacenterConfig{Name: "n"}},
		{oci.ArtifactTypeDatacenter, &oci.DatacenterConfig{Name: "n"}},
		{oci.ArtifactTypeModule, oci.ModuleConfig{Plugin: "pulumi"}},
		{oci.ArtifactTypeModule, &oci.ModuleConfig{Plugin: "pulumi"}},
	} {
		if got, artifact := sourceHash(row.kind, row.config); got != artifact.Layers[0].Digest || got == "" {
			t.Errorf("%T: got %q, want the layer's digest %q", row.config, got, artifact.Layers[0].Digest)
		}
	}
	if got, _ := sourceHash(oci.ArtifactTypeComponent, oci.ComponentConfig{SourceHash: "mine"}); got != "mine" {
		t.Errorf("a given one became %q", got)
	}
	if got, artifact := sourceHash(oci.ArtifactTypeComponent, map[string]string{"x": "y"}); got != "" || string(artifact.Config) != `{"x":"y"}` {
		t.Errorf("a type of the caller's own became %s", artifact.Config)
	}
}

func TestConfigBytesAreKept(t *testing.T) {
	client, directory := newClient(t), tree(t, map[string]string{"a": "1"})
	raw := json.RawMessage("{ \"n\": 1.0,\n\t\"a\": \"<&>\" }")
	if got := build(t, client, directory, oci.ArtifactTypeComponent, raw); string(got.Config) != string(raw) {
		t.Errorf("got %q, want %q", got.Config, raw)
	}
	if got := build(t, client, directory, oci.ArtifactTypeModule, map[string]string{"a": "<&>"}); string(got.Config) != `{"a":"<&>"}` {
		t.Errorf("got %s", got.Config)
	}
	_, err := client.BuildFromDirectory(context.Background(), directory, oci.ArtifactTypeModule, make(chan int))
	if err == nil || !strings.HasPrefix(err.Error(), "failed to marshal config: ") {
		t.Errorf("a channel as a config: %v", err)
	}
}
