//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
)

func TestNewTellsWhatIsWrong(t *testing.T) {
	for name, option := range map[string]oci.Option{
		"unknown": oci.WithOption("no_such_option", "1"), "bad value": oci.WithParallel(0),
		"of a call": oci.WithExisting(oci.ExistingMerge), "of this package, of a call": oci.WithResult(&oci.Result{}),
	} {
		if client, err := oci.New(option); client != nil || !errors.Is(err, oci.ErrArgument) {
			t.Errorf("%s: %v, %v", name, client, err)
		}
	}
	client, err := oci.New(oci.WithParallel(2))
	if err != nil {
		t.Fatal(err)
	}
	if exists, err := client.Exists(context.Background(), newFakeRegistry(t).host()+"/org/app:v1"); exists || err != nil {
		t.Errorf("got %v, %v", exists, err)
	}
}

// TestUselessOptionsAreRefused: an option that a verb can't use is never taken in silence.
func TestUselessOptionsAreRefused(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	reference, directory := registry.host()+"/org/app:v1", tree(t, map[string]string{"a": "1"})
	resolve := func(option oci.Option) error {
		_, err := client.Resolve(ctx, reference, option)
		return err
	}
	build := func(option oci.Option) error {
		_, _, err := client.BuildWith(ctx, directory, oci.ArtifactTypeComponent, nil, option)
		return err
	}
	for name, row := range map[string]struct {
		call   func(oci.Option) error
		option oci.Option
	}{
		"links at resolve":            {resolve, oci.WithLinks(oci.LinksError)},
		"profile by name at resolve":  {resolve, oci.WithOption("profile", "none")},
		"annotation at resolve":       {resolve, oci.WithAnnotation("a", "b")},
		"existing at build":           {build, oci.WithExisting(oci.ExistingReplace)},
		"referrers at build":          {build, oci.WithReferrers()},
		"artifact type at resolve":    {resolve, oci.WithArtifactType("a/b")},
		"mount at resolve":            {resolve, oci.WithMountFrom("org/other")},
		"without data at resolve":     {resolve, oci.WithoutLayerData()},
		"a client's option at a call": {resolve, oci.WithUserAgent("me")},
	} {
		if err := row.call(row.option); !errors.Is(err, oci.ErrArgument) || errors.Is(err, oci.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := registry.requests.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	// Where they mean something they are taken; as a client's they are the default of the verbs that can use them.
	for name, err := range map[string]error{
		"links at build":        build(oci.WithLinks(oci.LinksError)),
		"without data at build": build(oci.WithoutLayerData()),
		"time-out at build":     build(oci.WithTimeout(time.Minute)),
		"links of a client": func() error {
			_, err := newClient(t, oci.WithLinks(oci.LinksError)).ListTags(ctx, reference)
			return err
		}(),
		"layer data of a client": func() error { _, err := newClient(t, oci.WithoutLayerData()).ListTags(ctx, reference); return err }(),
		"mount at build and push": func() error {
			_, _, err := client.BuildAndPush(ctx, directory, oci.ArtifactTypeComponent, nil, reference, oci.WithMountFrom("org/other"), oci.WithAnnotation("a", "b"))
			return err
		}(),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithResult(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	var result oci.Result
	tags, err := client.ListTags(ctx, artifact.Reference, oci.WithResult(&result))
	if err != nil || len(tags) != 1 || result.Counters.Requests != 1 {
		t.Errorf("got %q, %+v, %v", tags, result, err)
	}
	if _, err := client.Resolve(ctx, artifact.Reference, oci.WithResult(&result)); err != nil || result.Digest != artifact.Digest {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestTagNamesWhichFailed of the two.
func TestTagNamesWhichFailed(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t, oci.WithRetries(0)), newFakeRegistry(t)
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	dead := freeAddress(t)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		registryError(w, http.StatusForbidden, "DENIED")
		return true
	})
	for name, row := range map[string]struct{ from, to, about, word string }{
		"no such source":              {registry.host() + "/org/app:v10", registry.host() + "/org/app:v1", registry.host() + "/org/app:v10", "source: "},
		"a source that is a prefix":   {registry.host() + "/org/app:v", registry.host() + "/org/app:v1", registry.host() + "/org/app:v", "source: "},
		"denied at the destination":   {artifact.Reference, registry.host() + "/org/app:v2", registry.host() + "/org/app:v2", "destination: "},
		"denied in another":           {artifact.Reference, registry.host() + "/org/other:v2", registry.host() + "/org/other:v2", "destination: "},
		"no registry at the source":   {dead + "/org/app:v1", registry.host() + "/org/app:v2", dead + "/org/app:v1", "source: "},
		"no registry at destination":  {artifact.Reference, dead + "/org/app:v2", dead + "/org/app:v2", "destination: "},
		"a layout without the source": {"ocidir://" + t.TempDir() + "/none:v1", registry.host() + "/org/app:v2", "", "source: "},
	} {
		err := client.Tag(ctx, row.from, row.to)
		var failed *oci.Error
		if !errors.As(err, &failed) || row.about != "" && failed.Reference != row.about || !strings.HasPrefix(err.Error(), "failed to tag: "+row.word) {
			t.Errorf("%s: %v", name, err)
		}
	}
	registry.intercept(nil)
	if err := client.Tag(ctx, artifact.Reference, registry.host()+"/org/app:v2"); err != nil {
		t.Errorf("when nothing is wrong: %v", err)
	}
}

func TestContextCause(t *testing.T) {
	client, registry := newClient(t), silent(t)
	reference, leaving := registry.host()+"/org/app:v1", errors.New("the server shuts down")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for registry.requests.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(leaving)
	}()
	for _, when := range []string{"under way", "before"} {
		err := client.Pull(ctx, reference, t.TempDir())
		if !errors.Is(err, oci.ErrCancelled) || !errors.Is(err, context.Canceled) || !errors.Is(err, leaving) || !strings.HasSuffix(err.Error(), "context canceled: the server shuts down") {
			t.Errorf("cancelled %s: %v", when, err)
		}
	}
	late, cancelLate := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, leaving)
	defer cancelLate()
	if err := client.Pull(late, reference, t.TempDir()); !errors.Is(err, oci.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, leaving) {
		t.Errorf("a deadline with a cause: %v", err)
	}
}

func TestParseReferenceNamesIt(t *testing.T) {
	_, err := oci.ParseReference("a b")
	var failed *oci.Error
	if !errors.As(err, &failed) || failed.Reference != "a b" {
		t.Errorf("got %+v", err)
	}
}

func TestOpenLayer(t *testing.T) {
	ctx, client, registry := context.Background(), newClient(t), newFakeRegistry(t)
	artifact := build(t, client, tree(t, map[string]string{"a": strings.Repeat("0123456789", 500_000)}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = registry.host() + "/org/app:v1"
	if err := client.Push(ctx, artifact); err != nil {
		t.Fatal(err)
	}
	inspected, err := client.Inspect(ctx, artifact.Reference)
	if err != nil {
		t.Fatal(err)
	}
	layer := &inspected.Layers[0]
	open := func(ctx context.Context, layer *oci.Layer) io.ReadCloser {
		t.Helper()
		reader, err := client.OpenLayer(ctx, layer)
		if err != nil {
			t.Fatal(err)
		}
		return reader
	}
	for name, of := range map[string]*oci.Layer{"in memory": &artifact.Layers[0], "inspected": layer} {
		reader := open(ctx, of)
		if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, artifact.Layers[0].Data) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if err := reader.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
	// One that is closed early ends the transfer, and one that is never read does not hang it.
	reader := open(ctx, layer)
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("after the close: %v", err)
	}
	if err := open(ctx, layer).Close(); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := io.ReadAll(open(cancelled, layer)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// Other bytes than the digest's never end in io.EOF.
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, layer.Digest) {
			return false
		}
		_, _ = w.Write(make([]byte, len(artifact.Layers[0].Data)))
		return true
	})
	reader = open(ctx, layer)
	if _, err := io.ReadAll(reader); !errors.Is(err, oci.ErrDigest) {
		t.Errorf("other bytes: %v", err)
	}
	_ = reader.Close()
	if _, err := client.OpenLayer(ctx, &oci.Layer{}); !errors.Is(err, oci.ErrArgument) {
		t.Errorf("a layer of nothing: %v", err)
	}
	if got := layer.Descriptor(); got.Digest != artifact.Layers[0].Digest || got.Size != artifact.Layers[0].Size {
		t.Errorf("got %+v", got)
	}
}

// TestCredentialContextFunc hears when nobody waits any more, and not before.
func TestCredentialContextFunc(t *testing.T) {
	dockerConfig(t)
	registry := newFakeRegistry(t)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	asked, gaveUp := make(chan struct{}), make(chan error, 1)
	prompt := oci.WithCredentialContextFunc(func(ctx context.Context, host, repository string) (oci.Credential, error) {
		if repository == "org/quick" {
			return oci.Credential{Username: "user", Password: "canary"}, ctx.Err()
		}
		close(asked)
		<-ctx.Done()
		gaveUp <- ctx.Err()
		return oci.Credential{}, ctx.Err()
	})
	client, err := oci.New(oci.WithStore(filepath.Join(t.TempDir(), "store")), prompt)
	if err != nil {
		t.Fatal(err)
	}
	if exists, err := client.Exists(context.Background(), registry.host()+"/org/quick:v1"); exists || err != nil {
		t.Errorf("one that answers: %v, %v", exists, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	if _, err := client.Exists(ctx, registry.host()+"/org/slow:v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	select {
	case err := <-gaveUp:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the prompt heard %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the prompt still waits")
	}
}
