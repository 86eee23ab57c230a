//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

func TestProgress(t *testing.T) {
	registry := newFakeRegistry(t)
	var seen []oci.Progress
	client := newClient(t, oci.WithProgress(func(p oci.Progress) { seen = append(seen, p) }))
	artifact := build(t, client, tree(t, map[string]string{"a": strings.Repeat("x", 1<<20)}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(context.Background(), artifact); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 2 {
		t.Fatalf("told %d times", len(seen))
	}
	last := seen[len(seen)-1]
	if last.Phase != oci.PhaseDone || last.BytesDone == 0 || last.BytesDone != last.BytesTotal {
		t.Errorf("at the end: %+v", last)
	}
}

func TestReferrers(t *testing.T) {
	for name, host := range map[string]func(testing.TB) string{
		"real":   realRegistry,
		"layout": func(t testing.TB) string { return "ocidir://" + t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, client := context.Background(), newClient(t)
			artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
			artifact.Reference = host(t) + "/org/app:v1"
			if err := client.Push(ctx, artifact); err != nil {
				t.Fatal(err)
			}
			note := &oci.Artifact{Type: "application/vnd.test.note", Layers: []oci.Layer{{MediaType: "text/plain", Data: []byte("note")}}, Annotations: map[string]string{"k": "v"}}
			if _, err := client.Attach(ctx, note, artifact.Reference); err != nil {
				t.Fatal(err)
			}
			found, err := client.Referrers(ctx, artifact.Reference)
			if err != nil || len(found) != 1 || found[0].Digest != note.Digest || found[0].ArtifactType != "application/vnd.test.note" || found[0].Annotations["k"] != "v" {
				t.Errorf("got %+v, %v; want %s", found, err, note.Digest)
			}
		})
	}
}

func TestTagAndCopyAcrossRegistries(t *testing.T) {
	ctx, client := context.Background(), newClient(t)
	here, there := newFakeRegistry(t), newFakeRegistry(t)
	noise := make([]byte, 200_000) // a layer that is large enough to be asked for before it is sent
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	artifact := build(t, client, tree(t, map[string]string{"a": string(noise)}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = here.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	if err := client.Tag(ctx, artifact.Reference, there.host()+"/other/app:v2"); err != nil {
		t.Fatal(err)
	}
	if _, digest := there.manifestOf(t, "other/app:v2"); digest != artifact.Digest {
		t.Errorf("tagged as %s, want %s", digest, artifact.Digest)
	}
	result, err := client.Copy(ctx, artifact.Reference, there.host()+"/other/app:v3")
	if err != nil || result.Digest != artifact.Digest || result.Counters.BlobsSkipped == 0 {
		t.Errorf("copied as %+v, %v; want %s and the layer not sent again", result, err, artifact.Digest)
	}
	inspected, err := client.Inspect(ctx, artifact.Reference)
	if err != nil {
		t.Fatal(err)
	}
	inspected.Reference = there.host() + "/third/app:v1"
	if err := client.Push(ctx, inspected); err != nil || inspected.Digest != artifact.Digest {
		t.Errorf("what was inspected here is pushed there as %s, %v; want %s", inspected.Digest, err, artifact.Digest)
	}
	layout := "ocidir://" + t.TempDir() + "/layout"
	for _, tag := range []string{":v1", ":v2"} {
		if err := client.Tag(ctx, artifact.Reference, layout+tag); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Delete(ctx, layout+":v1"); err != nil {
		t.Fatal(err)
	}
	if tags, err := client.ListTags(ctx, layout); err != nil || !reflect.DeepEqual(tags, []string{"v2"}) {
		t.Errorf("the layout has %q, %v", tags, err)
	}
}

// TestReadManifest: an index lists what is in it, where no platform fits too; and what is no index is its bytes.
func TestReadManifest(t *testing.T) {
	ctx, client, layout := context.Background(), newClient(t), t.TempDir()
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = "ocidir://" + layout + ":v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	image, err := client.ReadManifest(ctx, artifact.Reference)
	if err != nil || image.Descriptor.Digest != artifact.Digest || int64(len(image.Bytes)) != image.Descriptor.Size || len(image.Entries) != 0 {
		t.Fatalf("got %+v, %v", image, err)
	}
	const mediaType = "application/vnd.oci.image.index.v1+json"
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.x"`, image.Descriptor.MediaType, artifact.Digest, image.Descriptor.Size)
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s,"platform":{"os":"plan9","architecture":"mips","variant":"v2"}},%s}]}`, mediaType, entry, entry)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(index)))
	list := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"all"}}]}`, mediaType, sum, len(index))
	for name, text := range map[string]string{"blobs/sha256/" + sum: index, "index.json": list} {
		if err := os.WriteFile(filepath.Join(layout, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := "ocidir://" + layout + ":all"
	if _, err := client.Inspect(ctx, all); !errors.Is(err, oci.ErrNotFound) || !strings.Contains(err.Error(), "plan9/mips/v2") {
		t.Errorf("inspected: %v", err)
	}
	found, err := client.ReadManifest(ctx, all)
	if err != nil || string(found.Bytes) != index || found.Descriptor.Digest != "sha256:"+sum || found.Descriptor.MediaType != mediaType {
		t.Fatalf("got %+v, %v", found, err)
	}
	of := image.Descriptor
	of.ArtifactType = "application/vnd.x"
	if want := []oci.Entry{{Descriptor: of, Platform: "plan9/mips/v2"}, {Descriptor: of}}; !reflect.DeepEqual(found.Entries, want) {
		t.Errorf("got %+v, want %+v", found.Entries, want)
	}
	if _, err := client.ReadManifest(ctx, artifact.Reference+"2"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

// TestCustomKinds: the config's media type has no field and is kept all the same.
func TestCustomKinds(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	artifact, _, err := client.BuildWith(ctx, tree(t, map[string]string{"a": "1", ".hidden": "2"}), "application/vnd.test.thing", map[string]int{"x": 1},
		oci.WithOption("config_media_type", "application/vnd.test.config+json"), oci.WithAnnotation("k", "v"), oci.WithLayerAnnotation("l", "m"))
	if err != nil {
		t.Fatal(err)
	}
	built := artifact.Digest
	artifact.Reference = registry.host() + "/org/thing:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	manifest, digest := registry.manifestOf(t, "org/thing:v1")
	if digest != built || manifest.Config.MediaType != "application/vnd.test.config+json" || manifest.Annotations["k"] != "v" || manifest.Layers[0].Annotations["l"] != "m" {
		t.Errorf("built %s, pushed %s: %+v", built, digest, manifest)
	}
	if got := names(t, artifact.Layers[0].Data); !reflect.DeepEqual(got, []string{".hidden", "a"}) {
		t.Errorf("the layer holds %q", got)
	}
}

func TestCredentials(t *testing.T) {
	registry := newFakeRegistry(t)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, ok := r.BasicAuth(); ok && user == "ann" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		registryError(w, http.StatusUnauthorized, "UNAUTHORIZED")
		return true
	})
	reference, docker := registry.host()+"/org/app:v1", t.TempDir()
	t.Setenv("DOCKER_CONFIG", docker)
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(docker, "none.json"))
	resolve := func(options ...oci.Option) error {
		_, err := newClient(t, options...).Resolve(context.Background(), reference)
		return err
	}
	if err := resolve(); !errors.Is(err, oci.ErrUnauthorized) {
		t.Errorf("without credentials: %v", err)
	}
	if err := resolve(oci.WithCredentials(registry.host(), "ann", "secret")); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("with credentials: %v", err)
	}
	if err := resolve(oci.WithCredentials(registry.host(), "ann", "hunter2")); !errors.Is(err, oci.ErrUnauthorized) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("with a wrong password: %v", err)
	}
	login := fmt.Sprintf(`{"auths":{%q:{"auth":"YW5uOnNlY3JldA=="}}}`, registry.host())
	if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(login), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := resolve(); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("after docker login: %v", err)
	}
	if err := resolve(oci.WithAnonymous()); !errors.Is(err, oci.ErrUnauthorized) {
		t.Errorf("anonymous: %v", err)
	}
}

func TestCollectGarbage(t *testing.T) {
	ctx, client := context.Background(), newClient(t)
	layout := "ocidir://" + filepath.Join(t.TempDir(), "layout")
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = layout + ":v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	if freed, err := client.CollectGarbage(ctx, layout); freed != 0 || err != nil {
		t.Errorf("with nothing to collect: %d, %v", freed, err)
	}
	if err := client.Delete(ctx, artifact.Reference); err != nil {
		t.Fatal(err)
	}
	if freed, err := client.CollectGarbage(ctx, layout); freed < artifact.Layers[0].Size || err != nil {
		t.Errorf("got %d, %v", freed, err)
	}
	if _, err := client.CollectGarbage(ctx, newFakeRegistry(t).host()+"/org/app"); !errors.Is(err, oci.ErrUnsupported) {
		t.Errorf("on a registry: %v", err)
	}
}

func TestOptions(t *testing.T) {
	byName := map[string]oci.OptionInfo{}
	for _, option := range oci.Options() {
		if option.Name == "" || option.Type == "" || option.Scope == "" || option.Help == "" {
			t.Errorf("got %+v", option)
		}
		byName[option.Name] = option
	}
	if got := byName["existing"]; got.Type != "choice" || got.Scope != "call" || got.Default != "refuse" || !strings.Contains(got.Values, "merge") {
		t.Errorf("got %+v", got)
	}
	if got := byName["password"]; got.Type != "secret" || got.Scope != "host" {
		t.Errorf("got %+v", got)
	}
}
