//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

// todays runs the program that does what cldctl's own package does today, with go-containerregistry.
func todays(t *testing.T, arguments ...string) string {
	t.Helper()
	path := tool("todays")
	if path == "" {
		leftOut(t, "no todays")
	}
	output, err := exec.Command(path, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("todays %q: %v\n%s", arguments, err, output)
	}
	return string(output)
}

// TestArtifactsPassBothWays has today's package on the other side of a real registry.
func TestArtifactsPassBothWays(t *testing.T) {
	ctx, client, host := context.Background(), newClient(t), realRegistry(t)
	files := map[string]string{"cld.yml": "name: x", "src/main.go": "package main"}
	source := tree(t, files)

	t.Run("ours to today's", func(t *testing.T) {
		reference := host + "/org/ours:v1"
		artifact := build(t, client, source, oci.ArtifactTypeComponent, oci.ComponentConfig{SchemaVersion: "v1"})
		artifact.Reference = reference
		if err := client.Push(ctx, artifact); err != nil {
			t.Fatal(err)
		}
		destination := t.TempDir()
		todays(t, "pull", reference, destination)
		if got := contents(t, destination); !reflect.DeepEqual(got, files) {
			t.Errorf("it pulled %q, want %q", got, files)
		}
		// It reads any config as Docker's: of ours it sees nothing, and the same whatever changed.
		changed := build(t, client, tree(t, map[string]string{"cld.yml": "other"}), oci.ArtifactTypeComponent, oci.ComponentConfig{SchemaVersion: "v2"})
		changed.Reference = host + "/org/ours:v2"
		if err := client.Push(ctx, changed); err != nil {
			t.Fatal(err)
		}
		if one, other := todays(t, "config", reference), todays(t, "config", changed.Reference); one != other || strings.Contains(one, "schemaVersion") {
			t.Errorf("it found the configs %s and %s", one, other)
		}
	})

	t.Run("today's to ours", func(t *testing.T) {
		reference := host + "/org/theirs:v1"
		todays(t, "push", source, reference)
		digest := strings.TrimSpace(todays(t, "digest", reference))
		if exists, err := client.Exists(ctx, reference); !exists || err != nil {
			t.Errorf("it is not there: %v, %v", exists, err)
		}
		resolved, err := client.Resolve(ctx, reference)
		if err != nil || resolved.Digest != digest {
			t.Errorf("resolved %+v, %v; want %s", resolved, err, digest)
		}
		destination := t.TempDir()
		if err := client.Pull(ctx, reference, destination); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, destination); !reflect.DeepEqual(got, files) {
			t.Errorf("pulled %q, want %q", got, files)
		}
		config, err := client.PullConfig(ctx, reference)
		if want := todays(t, "config", reference); err != nil || string(config) != want {
			t.Errorf("got the config %s, %v; want %s", config, err, want)
		}
		// Tagging keeps a manifest of the other kind as it is.
		if err := client.Tag(ctx, reference, host+"/org/theirs:again"); err != nil {
			t.Fatal(err)
		}
		if again, err := client.Resolve(ctx, host+"/org/theirs:again"); err != nil || !reflect.DeepEqual(again, resolved) {
			t.Errorf("tagged as %+v, %v; want %+v", again, err, resolved)
		}
	})

	t.Run("today's odd entries", func(t *testing.T) {
		reference := host + "/org/odd:v1"
		todays(t, "fixture", reference)
		var warnings []string
		watching := newClient(t, oci.WithWarnings(func(warning string) { warnings = append(warnings, warning) }))
		destination := filepath.Join(t.TempDir(), "destination")
		if err := watching.Pull(ctx, reference, destination); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, destination); got["cld.yml"] == "" || len(warnings) == 0 {
			t.Errorf("pulled %q with the warnings %q", got, warnings)
		}
	})
}
