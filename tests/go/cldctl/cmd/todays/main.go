// Todays does what cldctl's own Go package does today, so that the tests can hold the library against it: its
// artifacts must stay pullable, and ours must be pullable by it.
//
//	todays build DIR         builds DIR, prints the layer's digest
//	todays push DIR REF      builds DIR and pushes it
//	todays digest REF        prints the manifest's digest, which its package never asks for
//	todays pull REF DIR      pulls into DIR
//	todays config REF        prints what it takes for the config
//	todays fixture REF       pushes a layer with the odd entries of today's archives
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/davidthor/cldctl/pkg/oci"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	if err := run(context.Background(), oci.NewClient(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "todays:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, client *oci.Client, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "build":
		artifact, err := client.BuildFromDirectory(ctx, args[1], oci.ArtifactTypeComponent, nil)
		if err != nil {
			return err
		}
		// Its callers hash what they get.
		fmt.Printf("sha256:%x\n", sha256.Sum256(artifact.Layers[0].Data))
		return nil
	case len(args) == 3 && args[0] == "push":
		artifact, err := client.BuildFromDirectory(ctx, args[1], oci.ArtifactTypeComponent, nil)
		if err != nil {
			return err
		}
		return push(ctx, client, artifact, args[2])
	case len(args) == 2 && args[0] == "digest":
		ref, err := name.ParseReference(args[1])
		if err != nil {
			return err
		}
		found, err := remote.Head(ref)
		if err != nil {
			return err
		}
		fmt.Println(found.Digest)
		return nil
	case len(args) == 3 && args[0] == "pull":
		return client.Pull(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "config":
		config, err := client.PullConfig(ctx, args[1])
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(config)
		return err
	case len(args) == 2 && args[0] == "fixture":
		layer, err := fixture()
		if err != nil {
			return err
		}
		return push(ctx, client, &oci.Artifact{Layers: []oci.Layer{{Data: layer}}}, args[1])
	}
	return fmt.Errorf("usage: todays build DIR | push DIR REF | digest REF | pull REF DIR | config REF | fixture REF")
}

func push(ctx context.Context, client *oci.Client, artifact *oci.Artifact, reference string) error {
	artifact.Reference = reference
	return client.Push(ctx, artifact)
}

// fixture is an archive as today's code has pushed them, with every odd entry at once.
func fixture() ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	entries := tar.NewWriter(zipped)
	write := func(header *tar.Header, content string) error {
		header.Size = int64(len(content))
		if err := entries.WriteHeader(header); err != nil {
			return err
		}
		_, err := io.WriteString(entries, content)
		return err
	}
	owner := tar.Header{Uid: 1000, Gid: 1000, Uname: "dev", Gname: "dev"}
	entry := func(kind byte, name, link string, mode int64) *tar.Header {
		header := owner
		header.Typeflag, header.Name, header.Linkname, header.Mode = kind, name, link, mode
		return &header
	}
	for _, step := range []struct {
		header  *tar.Header
		content string
	}{
		{entry(tar.TypeReg, "cld.yml", "", 0o664), "name: orders\n"},
		// No trailing slash: only the type says that it is a directory.
		{entry(tar.TypeDir, "config", "", 0o775), ""},
		{entry(tar.TypeReg, "config/production.yml", "", 0o664), "log_level: warn\n"},
		{entry(tar.TypeSymlink, "config/default.yml", "/home/dev/orders/config/production.yml", 0o777), ""},
		{entry(tar.TypeFifo, "events", "", 0o644), ""},
		{entry(tar.TypeReg, "scripts/run.sh", "", 0o775), "#!/bin/sh\necho run\n"},
	} {
		if err := write(step.header, step.content); err != nil {
			return nil, err
		}
	}
	if err := entries.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
