//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/davidthor/cldctl/pkg/oci"
)

// guarded gives the host of a registry without artifacts that wants to know who asks.
func guarded() (host string, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch user, password, _ := r.BasicAuth(); {
		case user != "user" || password != "secret":
			w.Header().Set("WWW-Authenticate", `Basic realm="example"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/v2/":
			registryError(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		}
	}))
	return strings.TrimPrefix(server.URL, "http://"), server.Close
}

func ExampleWithCredentialFunc() {
	host, stop := guarded()
	defer stop()
	vault := map[string]oci.Credential{host: {Username: "user", Password: "secret"}}

	client := oci.NewClient(oci.WithCredentialFunc(func(registry, repository string) (oci.Credential, error) {
		return vault[registry], nil // of others it has none: docker's files and helpers are asked
	}))
	exists, result, err := client.ExistsWith(context.Background(), host+"/org/api:v1.0.0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exists, "by", result.CredentialSource)
	// Output: false by the credential callback
}

func ExampleClient_Login() {
	host, stop := guarded()
	defer stop()
	directory, err := os.MkdirTemp("", "oci-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	// Only so that the example leaves your own configuration alone.
	before := os.Getenv("DOCKER_CONFIG")
	defer func() { _ = os.Setenv("DOCKER_CONFIG", before) }()
	_ = os.Setenv("DOCKER_CONFIG", directory)
	ctx, client := context.Background(), oci.NewClient()

	if _, err := client.Login(ctx, host, "user", "wrong"); errors.Is(err, oci.ErrUnauthorized) {
		fmt.Println("refused")
	}
	if _, err := client.Login(ctx, host, "user", "secret"); err != nil {
		log.Fatal(err)
	}
	exists, err := client.Exists(ctx, host+"/org/api:v1.0.0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in;", "exists:", exists)
	removed, err := client.Logout(ctx, host)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged out:", removed)
	// Output:
	// refused
	// logged in; exists: false
	// logged out: true
}

func ExampleClient_CollectGarbage() {
	directory, layout, remove := temporary()
	defer remove()
	ctx, client := context.Background(), oci.NewClient(oci.WithStore(filepath.Join(filepath.Dir(directory), "store")))
	artifact, err := client.BuildFromDirectory(ctx, directory, oci.ArtifactTypeComponent, oci.ComponentConfig{})
	if err != nil {
		log.Fatal(err)
	}
	artifact.Reference = layout + ":v1.0.0"
	if err := client.Push(ctx, artifact); err != nil {
		log.Fatal(err)
	}

	if err := client.Delete(ctx, artifact.Reference); err != nil {
		log.Fatal(err)
	}
	freed, err := client.CollectGarbage(ctx, layout)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("freed the layer:", freed >= artifact.Layers[0].Size)
	// Output: freed the layer: true
}

func ExampleClient_Attach() {
	directory, layout, remove := temporary()
	defer remove()
	ctx, client := context.Background(), oci.NewClient(oci.WithStore(filepath.Join(filepath.Dir(directory), "store")))
	artifact, err := client.BuildFromDirectory(ctx, directory, oci.ArtifactTypeComponent, oci.ComponentConfig{})
	if err != nil {
		log.Fatal(err)
	}
	artifact.Reference = layout + ":v1.0.0"
	if err := client.Push(ctx, artifact); err != nil {
		log.Fatal(err)
	}

	note := &oci.Artifact{
		Type:   "application/vnd.example.note.v1+json",
		Layers: []oci.Layer{oci.FileLayer("text/plain", filepath.Join(directory, "cld.yml"))},
	}
	if _, err := client.Attach(ctx, note, artifact.Reference); err != nil {
		log.Fatal(err)
	}
	found, err := client.Referrers(ctx, artifact.Reference)
	if err != nil {
		log.Fatal(err)
	}
	for _, referrer := range found {
		fmt.Println(referrer.ArtifactType, referrer.Digest == note.Digest)
	}
	// Output: application/vnd.example.note.v1+json true
}
