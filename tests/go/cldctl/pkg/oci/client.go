package oci

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
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

type Client struct{ auth authn.Keychain }

func NewClient() *Client { return &Client{auth: authn.DefaultKeychain} }

func (c *Client) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithAuthFromKeychain(c.auth), remote.WithContext(ctx)}
}

// Push uploads the layers on an empty image: a Docker schema 2 manifest, no config of ours, no annotations.
func (c *Client) Push(ctx context.Context, artifact *Artifact) error {
	ref, err := name.ParseReference(artifact.Reference)
	if err != nil {
		return fmt.Errorf("invalid reference: %w", err)
	}
	mediaType := map[ArtifactType]string{ArtifactTypeDatacenter: MediaTypeDatacenterLayer, ArtifactTypeModule: MediaTypeModuleLayer}[artifact.Type]
	if mediaType == "" {
		mediaType = MediaTypeComponentLayer
	}
	image := empty.Image
	for _, layer := range artifact.Layers {
		if image, err = mutate.AppendLayers(image, static.NewLayer(layer.Data, types.MediaType(mediaType))); err != nil {
			return err
		}
	}
	if err := remote.Write(ref, image, c.options(ctx)...); err != nil {
		return fmt.Errorf("failed to push: %w", err)
	}
	return nil
}

func (c *Client) fetch(ctx context.Context, reference string) (v1.Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("invalid reference: %w", err)
	}
	image, err := remote.Image(ref, c.options(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("failed to pull: %w", err)
	}
	return image, nil
}

func (c *Client) Pull(ctx context.Context, reference string, destDir string) error {
	image, err := c.fetch(ctx, reference)
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
		err = extractTar(reader, destDir)
		_ = reader.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// PullConfig gives the config as go-containerregistry reads it, written anew: of a config that is no Docker one
// nothing is left, so of artifacts of another client it is always the same.
func (c *Client) PullConfig(ctx context.Context, reference string) ([]byte, error) {
	image, err := c.fetch(ctx, reference)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("failed to get config: %w", err)
	}
	return json.Marshal(config)
}

// Exists says no for every failure.
func (c *Client) Exists(ctx context.Context, reference string) (bool, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return false, fmt.Errorf("invalid reference: %w", err)
	}
	_, err = remote.Head(ref, c.options(ctx)...)
	return err == nil, nil
}

func (c *Client) Tag(ctx context.Context, srcRef, destRef string) error {
	image, err := c.fetch(ctx, srcRef)
	if err != nil {
		return fmt.Errorf("failed to get source image: %w", err)
	}
	to, err := name.ParseReference(destRef)
	if err != nil {
		return fmt.Errorf("invalid destination reference: %w", err)
	}
	return remote.Write(to, image, c.options(ctx)...)
}

// BuildFromDirectory sets no digest.
func (c *Client) BuildFromDirectory(ctx context.Context, dir string, artifactType ArtifactType, config interface{}) (*Artifact, error) {
	data, err := createTarGz(dir)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("failed to marshal config: %w", err)
	}
	return &Artifact{Type: artifactType, Config: text, Layers: []Layer{{Data: data}}}, nil
}

// extractTar makes directories and files and passes over everything else.
func extractTar(reader io.Reader, directory string) error {
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

// createTarGz writes the tree into a temporary file, which is then read whole: with the machine's times, owners and
// modes, directories without a trailing slash, a link to a file under its absolute target, and a link to a
// directory or to nothing not at all.
func createTarGz(directory string) ([]byte, error) {
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
