//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/davidthor/cldctl/pkg/oci"
)

// temporary gives a directory with one file, a layout's reference beside it, and what removes both.
func temporary() (directory, layout string, remove func()) {
	root, err := os.MkdirTemp("", "oci-example-")
	if err != nil {
		log.Fatal(err)
	}
	directory = filepath.Join(root, "api")
	if err := os.Mkdir(directory, 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "cld.yml"), []byte("name: api\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	return directory, "ocidir://" + filepath.Join(root, "layout"), func() { _ = os.RemoveAll(root) }
}

func ExampleClient_BuildFromDirectory() {
	directory, _, remove := temporary()
	defer remove()
	client := oci.NewClient(oci.WithStore(filepath.Join(filepath.Dir(directory), "store")))

	artifact, err := client.BuildFromDirectory(context.Background(), directory, oci.ArtifactTypeComponent, oci.ComponentConfig{
		SchemaVersion: "v1",
		Name:          "api",
		SourceHash:    "abc",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(artifact.Type, string(artifact.Config))
	fmt.Println(artifact.Layers[0].MediaType)
	// Output:
	// component {"schemaVersion":"v1","name":"api","sourceHash":"abc"}
	// application/vnd.architect.component.layer.v1.tar+gzip
}

func ExampleClient_Push() {
	directory, layout, remove := temporary()
	defer remove()
	ctx := context.Background()
	client := oci.NewClient(oci.WithStore(filepath.Join(filepath.Dir(directory), "store")))
	artifact, err := client.BuildFromDirectory(ctx, directory, oci.ArtifactTypeComponent, oci.ComponentConfig{})
	if err != nil {
		log.Fatal(err)
	}

	// A registry's reference, "ghcr.io/myorg/api:v1.0.0", works the same.
	artifact.Reference = layout + ":v1.0.0"
	if err := client.Push(ctx, artifact); err != nil {
		log.Fatal(err)
	}
	resolved, err := client.Resolve(ctx, artifact.Reference)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resolved.Digest == artifact.Digest)
	// Output: true
}

func ExampleClient_Pull() {
	_, layout, remove := temporary()
	defer remove()

	err := oci.NewClient().Pull(context.Background(), layout+":v1.0.0", "./output")
	switch {
	case errors.Is(err, oci.ErrNotFound):
		fmt.Println("there is no such artifact")
	case errors.Is(err, oci.ErrUnauthorized):
		fmt.Println("log in first")
	case err != nil:
		log.Fatal(err)
	}
	// Output: there is no such artifact
}

func ExampleClient_Exists() {
	_, layout, remove := temporary()
	defer remove()

	exists, err := oci.NewClient().Exists(context.Background(), layout+":v1.0.0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exists)
	// Output: false
}

func ExampleParseReference() {
	ref, err := oci.ParseReference("nginx")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ref.Registry, ref.Repository, ref.Tag)
	fmt.Println(ref)
	// Output:
	// docker.io library/nginx latest
	// docker.io/library/nginx:latest
}

func ExampleWithProgress() {
	directory, _, remove := temporary()
	defer remove()
	client := oci.NewClient(
		oci.WithStore(filepath.Join(filepath.Dir(directory), "store")),
		oci.WithProgress(func(p oci.Progress) {
			if p.Phase == oci.PhaseDone {
				fmt.Println(p.EntriesDone, "entries")
			}
		}),
	)
	if _, err := client.BuildFromDirectory(context.Background(), directory, oci.ArtifactTypeModule, oci.ModuleConfig{}); err != nil {
		log.Fatal(err)
	}
	// Output: 1 entries
}
