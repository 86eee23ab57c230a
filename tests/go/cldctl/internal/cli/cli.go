package cli

import (
	"context"
	"fmt"

	"github.com/davidthor/cldctl/pkg/engine"
	"github.com/davidthor/cldctl/pkg/oci"
	"github.com/davidthor/cldctl/pkg/resolver"
)

// Run runs one command: `build component DIR [TAG]`, `build datacenter DIR [TAG]` (which pushes what has a tag),
// `pull component|datacenter DIR REF`, `inspect component CACHE REF`, `deploy datacenter DIR REF`,
// `tag component FROM TO`.
func Run(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: see cli.Run")
	}
	args = append(args, "")
	switch args[0] + " " + args[1] {
	case "build component":
		return newBuildComponentCmd().Run(ctx, args[2], args[3])
	case "build datacenter":
		return newBuildDatacenterCmd().Run(ctx, args[2], args[3])
	case "pull component":
		return newPullComponentCmd().Run(ctx, args[2], args[3])
	case "pull datacenter":
		return newPullDatacenterCmd().Run(ctx, args[2], args[3])
	case "inspect component":
		directory, err := resolver.Resolve(ctx, args[2], args[3])
		if err == nil {
			fmt.Println(directory)
		}
		return err
	case "deploy datacenter":
		return engine.NewEngine().LoadDatacenterFromOCI(ctx, args[3], args[2])
	case "tag component":
		return oci.NewClient().Tag(ctx, args[2], args[3])
	}
	return fmt.Errorf("unknown command %q", args[:2])
}
