// The OCI registry of CUE's libraries, in memory: cue-registry ADDRESS
package main

import (
	"log"
	"net/http"
	"os"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: cue-registry ADDRESS")
	}
	registry := ociserver.New(ocimem.New(), nil)
	log.Fatal(http.ListenAndServe(os.Args[1], registry))
}
