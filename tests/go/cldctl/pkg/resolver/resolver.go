// Package resolver stands for cldctl's: it keeps what it pulled until the registry has something else.
package resolver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/davidthor/cldctl/pkg/oci"
)

type resolver struct {
	ociClient *oci.Client
	cacheDir  string
}

// Resolve gives the directory of a component.
func Resolve(ctx context.Context, cacheDir, ref string) (string, error) {
	return (&resolver{oci.NewClient(), cacheDir}).resolveOCI(ctx, ref)
}

func (r *resolver) resolveOCI(ctx context.Context, ref string) (string, error) {
	ociRef, err := oci.ParseReference(ref)
	if err != nil {
		return "", fmt.Errorf("invalid OCI reference: %w", err)
	}
	componentDir := filepath.Join(r.cacheDir, strings.NewReplacer("/", "_", ":", "_").Replace(ref))
	digestFile := filepath.Join(componentDir, ".digest")

	// Check if already cached
	componentFile := filepath.Join(componentDir, "cld.yml")
	if _, err := os.Stat(componentFile); err == nil {
		// Cache exists - check if we need to update by comparing digests
		needsUpdate := false

		// Only check for updates if the reference doesn't include a specific digest
		if ociRef.Digest == "" {
			// Read cached digest
			cachedDigest, _ := os.ReadFile(digestFile)

			// Check if remote has a different digest
			exists, _ := r.ociClient.Exists(ctx, ref)
			if exists {
				// Pull config to get current digest (lightweight operation)
				remoteConfig, err := r.ociClient.PullConfig(ctx, ref)
				if err == nil && len(remoteConfig) > 0 {
					// Simple digest comparison using config hash
					remoteDigest := fmt.Sprintf("%x", remoteConfig)
					if string(cachedDigest) != "" && string(cachedDigest) != remoteDigest {
						needsUpdate = true
					}
				}
			}
		}

		if !needsUpdate {
			return componentDir, nil
		}

		// Remove old cache before re-pulling
		os.RemoveAll(componentDir)
	}

	// Pull component from registry
	if err := os.MkdirAll(componentDir, 0755); err != nil {
		return "", fmt.Errorf("failed to create cache directory: %w", err)
	}

	if err := r.ociClient.Pull(ctx, ref, componentDir); err != nil {
		return "", fmt.Errorf("failed to pull component: %w", err)
	}

	// Store digest for future cache validation
	remoteConfig, err := r.ociClient.PullConfig(ctx, ref)
	if err == nil && len(remoteConfig) > 0 {
		remoteDigest := fmt.Sprintf("%x", remoteConfig)
		_ = os.WriteFile(digestFile, []byte(remoteDigest), 0644)
	}

	return componentDir, nil
}
