// Package cli stands for cldctl's commands, as far as they call package oci.
package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
	"github.com/davidthor/cldctl/pkg/registry"
)

type command struct {
	Run func(ctx context.Context, path, tag string) error
}

func newBuildComponentCmd() *command {
	cmd := &command{
		Run: func(ctx context.Context, path, tag string) error {
			client, childArtifacts := oci.NewClient(), map[string]string{}

			// Create artifact config
			config := &oci.ComponentConfig{
				SchemaVersion:  "v1",
				ChildArtifacts: childArtifacts,
				BuildTime:      time.Now().UTC().Format(time.RFC3339),
			}

			// Build artifact from component directory
			artifact, err := client.BuildFromDirectory(ctx, path, oci.ArtifactTypeComponent, config)
			if err != nil {
				return fmt.Errorf("failed to build artifact: %w", err)
			}

			// Compute content digest from config + layers
			h := sha256.New()
			h.Write(artifact.Config)
			for _, layer := range artifact.Layers {
				h.Write(layer.Data)
			}
			digest := fmt.Sprintf("sha256:%x", h.Sum(nil))
			artifact.Digest = digest

			// Determine reference, repository, and tag for registry entry.
			ref := tag
			if ref == "" {
				ref = digest
			}
			artifact.Reference = ref

			var totalSize int64
			for _, layer := range artifact.Layers {
				totalSize += int64(len(layer.Data))
			}

			cachePath, err := registry.CachePathForRef(ref)
			if err != nil {
				return fmt.Errorf("failed to compute cache path: %w", err)
			}
			os.RemoveAll(cachePath)
			if err := os.MkdirAll(cachePath, 0755); err != nil {
				return fmt.Errorf("failed to create cache directory: %w", err)
			}
			reg, err := registry.NewRegistry()
			if err != nil {
				return err
			}
			fmt.Printf("[success] Built %s %s\n", ref, digest)
			return reg.Add(registry.ArtifactEntry{Reference: ref, Digest: digest, Size: totalSize, CreatedAt: time.Now(), CachePath: cachePath})
		},
	}
	return cmd
}

func newBuildDatacenterCmd() *command {
	cmd := &command{
		Run: func(ctx context.Context, dcDir, tag string) error {
			client, moduleArtifacts := oci.NewClient(), map[string]string{}

			// Create artifact config
			config := &oci.DatacenterConfig{
				SchemaVersion:   "v1",
				Name:            filepath.Base(dcDir),
				ModuleArtifacts: moduleArtifacts,
				BuildTime:       time.Now().UTC().Format(time.RFC3339),
			}

			// Build artifact from datacenter directory
			artifact, err := client.BuildFromDirectory(ctx, dcDir, oci.ArtifactTypeDatacenter, config)
			if err != nil {
				return fmt.Errorf("failed to build artifact: %w", err)
			}

			// Compute content digest
			dh := sha256.New()
			dh.Write(artifact.Config)
			for _, layer := range artifact.Layers {
				dh.Write(layer.Data)
			}
			dcDigest := fmt.Sprintf("sha256:%x", dh.Sum(nil))

			// Determine reference for registry entry
			dcRef := tag
			if dcRef == "" {
				dcRef = dcDigest
			}
			artifact.Reference = dcRef
			artifact.Digest = dcDigest

			// Cache the datacenter source and register in local registry
			cachePath, err := registry.CachePathForRef(dcRef)
			if err != nil {
				return fmt.Errorf("failed to compute cache path: %w", err)
			}
			os.RemoveAll(cachePath)
			if err := os.MkdirAll(cachePath, 0755); err != nil {
				return fmt.Errorf("failed to create cache directory: %w", err)
			}
			fmt.Printf("[success] Built %s %s\n", dcRef, dcDigest)
			if tag == "" {
				return nil
			}
			return client.Push(ctx, artifact)
		},
	}
	return cmd
}
