package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
	"github.com/davidthor/cldctl/pkg/registry"
)

func newPullComponentCmd() *command {
	cmd := &command{
		Run: func(ctx context.Context, componentDir, reference string) error {
			client := oci.NewClient()

			if err := client.Pull(ctx, reference, componentDir); err != nil {
				return fmt.Errorf("failed to pull component: %w", err)
			}

			// Get digest if available
			digest := ""
			configData, err := client.PullConfig(ctx, reference)
			if err == nil && len(configData) > 0 {
				digest = fmt.Sprintf("sha256:%x", configData)[:71] + "..."
			}

			// Register in local registry
			reg, err := registry.NewRegistry()
			if err != nil {
				return fmt.Errorf("failed to create local registry: %w", err)
			}
			fmt.Printf("[success] Pulled %s %s\n", reference, digest)
			return reg.Add(registry.ArtifactEntry{Reference: reference, Digest: digest, CreatedAt: time.Now(), CachePath: componentDir})
		},
	}
	return cmd
}

func newPullDatacenterCmd() *command {
	cmd := &command{
		Run: func(ctx context.Context, dcDir, reference string) error {
			client := oci.NewClient()

			if err := client.Pull(ctx, reference, dcDir); err != nil {
				return fmt.Errorf("failed to pull datacenter: %w", err)
			}

			// Get digest if available
			digest := ""
			configData, err := client.PullConfig(ctx, reference)
			if err == nil && len(configData) > 0 {
				digest = fmt.Sprintf("sha256:%x", configData)[:71] + "..."
			}

			// Register in local registry
			reg, err := registry.NewRegistry()
			if err != nil {
				return fmt.Errorf("failed to create local registry: %w", err)
			}
			fmt.Printf("[success] Pulled %s %s\n", reference, digest)
			return reg.Add(registry.ArtifactEntry{Reference: reference, Digest: digest, CreatedAt: time.Now(), CachePath: dcDir})
		},
	}
	return cmd
}
