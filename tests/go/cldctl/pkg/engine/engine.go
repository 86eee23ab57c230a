// Package engine stands for cldctl's: it holds the client behind an interface.
package engine

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
	"github.com/davidthor/cldctl/pkg/registry"
)

// OCIClient is what the engine needs of a client; its tests have one of their own.
type OCIClient interface {
	Pull(ctx context.Context, reference string, destDir string) error
	PullConfig(ctx context.Context, reference string) ([]byte, error)
	Exists(ctx context.Context, reference string) (bool, error)
}

type Engine struct{ ociClient OCIClient }

func NewEngine() *Engine { return &Engine{ociClient: oci.NewClient()} }

// LoadDatacenterFromOCI pulls a datacenter and notes its digest.
func (e *Engine) LoadDatacenterFromOCI(ctx context.Context, ref, dcDir string) error {
	if err := os.MkdirAll(dcDir, 0755); err != nil {
		return fmt.Errorf("failed to create cache directory: %w", err)
	}
	if err := e.ociClient.Pull(ctx, ref, dcDir); err != nil {
		os.RemoveAll(dcDir)
		return fmt.Errorf("failed to pull datacenter from registry: %w", err)
	}

	// Get digest if available
	digest := ""
	remoteConfig, err := e.ociClient.PullConfig(ctx, ref)
	if err == nil && len(remoteConfig) > 0 {
		digest = fmt.Sprintf("sha256:%x", remoteConfig)
		if len(digest) > 71 {
			digest = digest[:71] + "..."
		}
	}

	// Register in unified artifact registry
	reg, regErr := registry.NewRegistry()
	if regErr == nil {
		_ = reg.Add(registry.ArtifactEntry{Reference: ref, Digest: digest, CreatedAt: time.Now(), CachePath: dcDir})
	}
	return nil
}
