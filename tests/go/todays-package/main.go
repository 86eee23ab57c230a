// Todays does what cldctl's own Go package does today, with the same libraries, so that the tests can hold
// the library against it: its artifacts must stay pullable, and ours must be pullable by it.
//
//	todays build DIR         builds DIR, prints the layer's digest
//	todays push DIR REF      builds DIR and pushes it, prints the manifest's digest
//	todays pull REF DIR      pulls into DIR
//	todays config REF        prints the config blob
//	todays fixture REF       pushes a layer with the odd entries of today's archives
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const layerType = "application/vnd.architect.component.layer.v1.tar+gzip"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "todays:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "build":
		layer, err := archive(args[1])
		if err != nil {
			return err
		}
		// Its callers hash what they get.
		fmt.Printf("sha256:%x\n", sha256.Sum256(layer))
		return nil
	case len(args) == 3 && args[0] == "push":
		layer, err := archive(args[1])
		if err != nil {
			return err
		}
		return push(layer, args[2])
	case len(args) == 3 && args[0] == "pull":
		return pull(args[1], args[2])
	case len(args) == 2 && args[0] == "config":
		return config(args[1])
	case len(args) == 2 && args[0] == "fixture":
		layer, err := fixture()
		if err != nil {
			return err
		}
		return push(layer, args[1])
	}
	return fmt.Errorf("usage: todays build DIR | push DIR REF | pull REF DIR | config REF | fixture REF")
}

// push uploads one layer on an empty image: a Docker schema 2 manifest, no config of ours, no annotations.
func push(layer []byte, reference string) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer, types.MediaType(layerType)))
	if err != nil {
		return err
	}
	if err := remote.Write(ref, image, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func fetch(reference string) (v1.Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	return remote.Image(ref, remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

func config(reference string) error {
	image, err := fetch(reference)
	if err != nil {
		return err
	}
	raw, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(raw)
	return err
}

func pull(reference, directory string) error {
	image, err := fetch(reference)
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		reader, err := layer.Compressed()
		if err != nil {
			return err
		}
		defer reader.Close()
		if err := extract(reader, directory); err != nil {
			return err
		}
	}
	return nil
}

// extract makes directories and files and passes over everything else.
func extract(reader io.Reader, directory string) error {
	unzipped, err := gzip.NewReader(reader)
	if err != nil {
		return err
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		target := filepath.Join(directory, header.Name)
		if !strings.HasPrefix(target, filepath.Clean(directory)+string(os.PathSeparator)) {
			return fmt.Errorf("entry %q leaves the destination", header.Name)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
		case tar.TypeReg:
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			file, err := os.OpenFile(target, os.O_CREATE|os.O_RDWR|os.O_TRUNC, os.FileMode(header.Mode))
			if err != nil {
				return err
			}
			if _, err := io.Copy(file, entries); err != nil {
				file.Close()
				return err
			}
			if err := file.Close(); err != nil {
				return err
			}
		}
	}
}

var leftOut = map[string]bool{
	".terraform": true, ".git": true, "node_modules": true, ".next": true, "__pycache__": true,
	".venv": true, "venv": true, ".cache": true, "dist": true, "build": true, ".DS_Store": true,
}

func skipped(path string) bool {
	for _, component := range strings.Split(path, string(os.PathSeparator)) {
		if leftOut[component] {
			return true
		}
	}
	base := filepath.Base(path)
	return strings.HasPrefix(base, ".") && base != ".env.example" && base != ".dockerignore"
}

// archive writes the tree into a temporary file, which is then read whole: with the machine's times, owners and
// modes, directories without a trailing slash, a link to a file under its absolute target, and a link to a
// directory or to nothing not at all.
func archive(directory string) ([]byte, error) {
	out, err := os.CreateTemp("", "todays-*.tar.gz")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	zipped := gzip.NewWriter(out)
	entries := tar.NewWriter(zipped)
	err = filepath.Walk(directory, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(directory, path)
		if err != nil || relative == "." {
			return err
		}
		if skipped(relative) {
			if info.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		link := ""
		if info.Mode()&os.ModeSymlink != 0 {
			link, err = filepath.EvalSymlinks(path)
			if err != nil {
				return nil
			}
			if link, err = filepath.Abs(link); err != nil {
				return err
			}
			if target, err := os.Stat(link); err != nil || target.IsDir() {
				return nil
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		header.Name = relative
		if err := entries.WriteHeader(header); err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(entries, file)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := entries.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(out.Name())
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
