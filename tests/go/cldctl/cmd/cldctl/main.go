// Cldctl is a tree of the same shapes as cldctl's own, on which the migration is tried.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/davidthor/cldctl/internal/cli"
)

func main() {
	if err := cli.Run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cldctl:", err)
		os.Exit(1)
	}
}
