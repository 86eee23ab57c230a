//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
)

// answering makes a registry give every request for a manifest one answer.
func answering(t testing.TB, status int, code string) *fakeRegistry {
	registry := newFakeRegistry(t)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		registryError(w, status, code)
		return true
	})
	return registry
}

func TestTextsOfToday(t *testing.T) {
	for _, row := range []struct {
		status    int
		code      string
		sentinel  error
		want      string
		existsErr bool
	}{
		{404, "MANIFEST_UNKNOWN", oci.ErrNotFound, "artifact not found: REF does not exist or the tag is invalid", false},
		{404, "NAME_UNKNOWN", oci.ErrNotFound, "repository not found: REF does not exist in the registry", false},
		{404, "NOT_FOUND", oci.ErrNotFound, "artifact not found: REF does not exist in the registry", false},
		{401, "UNAUTHORIZED", oci.ErrUnauthorized, "authentication required: you may need to log in to access REF", true},
		{403, "DENIED", oci.ErrDenied, "access denied: you don't have permission to pull REF", true},
	} {
		registry := answering(t, row.status, row.code)
		client, ctx := newClient(t, oci.WithRetries(0), oci.WithAnonymous()), context.Background()
		reference := registry.host() + "/org/app:v1"
		want := strings.ReplaceAll(row.want, "REF", reference)
		err := client.Pull(ctx, reference, filepath.Join(t.TempDir(), "x"))
		var failure *oci.Error
		if !errors.As(err, &failure) || err.Error() != want || !errors.Is(err, row.sentinel) {
			t.Errorf("%s: got %v, want %s", row.code, err, want)
			continue
		}
		if failure.HTTPStatus != row.status || failure.RegistryCode != row.code || failure.Reference != reference || failure.Message == "" {
			t.Errorf("%s: got %+v", row.code, failure)
		}
		if _, err := client.PullConfig(ctx, reference); err == nil || err.Error() != want {
			t.Errorf("%s: PullConfig: %v", row.code, err)
		}
		exists, err := client.Exists(ctx, reference)
		if exists || (err != nil) != row.existsErr {
			t.Errorf("%s: Exists: %v, %v", row.code, exists, err)
		}
	}
}

// TestRegistryErrors: all that a registry lists arrives, with its detail.
func TestRegistryErrors(t *testing.T) {
	registry := newFakeRegistry(t)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"no\nway","detail":[{"Action":"pull"}]},{"code":"X"}]}`))
		return true
	})
	_, err := newClient(t, oci.WithRetries(0)).Resolve(context.Background(), registry.host()+"/org/app:v1")
	var failure *oci.Error
	if !errors.As(err, &failure) || failure.RegistryCode != "DENIED" {
		t.Fatalf("got %v", err)
	}
	want := []oci.RegistryError{
		{Code: "DENIED", Message: `no\nway`, Detail: json.RawMessage(`[{"Action":"pull"}]`)},
		{Code: "X"},
	}
	if !reflect.DeepEqual(failure.RegistryErrors, want) {
		t.Errorf("got %+v, want %+v", failure.RegistryErrors, want)
	}
	_, err = newClient(t).Resolve(context.Background(), "ocidir://"+t.TempDir()+":v1")
	if !errors.As(err, &failure) || failure.RegistryErrors != nil {
		t.Errorf("a layout: %v", err)
	}
}

func TestOtherFailures(t *testing.T) {
	ctx := context.Background()
	client := newClient(t, oci.WithRetries(0))
	registry := answering(t, http.StatusInternalServerError, "UNKNOWN")
	reference := registry.host() + "/org/app:v1"
	if err := client.Pull(ctx, reference, t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "failed to pull: ") || errors.Is(err, oci.ErrNotFound) {
		t.Errorf("a 500: %v", err)
	}
	if _, err := client.Exists(ctx, reference); err == nil || !strings.HasPrefix(err.Error(), "failed to check: ") {
		t.Errorf("a 500 of exists: %v", err)
	}
	dead := freeAddress(t) + "/org/app:v1"
	if exists, err := client.Exists(ctx, dead); exists || !errors.Is(err, oci.ErrNetwork) || !errors.Is(err, syscall.ECONNREFUSED) && !strings.Contains(err.Error(), "refused") {
		t.Errorf("no registry: %v, %v", exists, err)
	}
	for prefix, call := range map[string]func() error{
		"invalid reference: ":             func() error { return client.Pull(ctx, "UPPER/case:v1:", t.TempDir()) },
		"invalid source reference: ":      func() error { return client.Tag(ctx, "a b", "ok:v1") },
		"invalid destination reference: ": func() error { return client.Tag(ctx, "ok:v1", "a b") },
		"failed to push: ": func() error {
			return client.Push(ctx, &oci.Artifact{Reference: "localhost/x:v1", Layers: []oci.Layer{{}}})
		},
		"failed to tag: ": func() error { return client.Tag(ctx, dead, dead+"2") },
	} {
		if err := call(); err == nil || !strings.HasPrefix(err.Error(), prefix) {
			t.Errorf("got %v, want %s…", err, prefix)
		}
	}
	_, err := client.BuildFromDirectory(ctx, filepath.Join(t.TempDir(), "none"), oci.ArtifactTypeComponent, nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "failed to build: ") {
		t.Errorf("a directory that isn't there: %v", err)
	}
	_, err = client.BuildFromDirectory(ctx, "nul\x00byte", oci.ArtifactTypeComponent, nil)
	if !errors.Is(err, oci.ErrArgument) {
		t.Errorf("a NUL in a path: %v", err)
	}
}

func TestOptionErrorsComeFromTheFirstVerb(t *testing.T) {
	for name, client := range map[string]*oci.Client{
		"unknown":   oci.NewClient(oci.WithOption("no_such_option", "1")),
		"bad value": oci.NewClient(oci.WithParallel(0)),
		"scope":     oci.NewClient(oci.WithExisting(oci.ExistingMerge)),
		"no host":   oci.NewClient(oci.WithCredentials("not a host", "u", "p")),
		"nul":       oci.NewClient(oci.WithStore("a\x00b")),
	} {
		for range 2 {
			if _, err := client.Exists(context.Background(), "localhost/x:v1"); !errors.Is(err, oci.ErrArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	err := oci.NewClient(oci.WithCredentials("not a host", "u", "hunter2")).Pull(context.Background(), "localhost/x", t.TempDir())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret in an error: %v", err)
	}
}

func TestZeroAndNilClients(t *testing.T) {
	registry := newFakeRegistry(t)
	var zero oci.Client
	var none *oci.Client
	for name, client := range map[string]*oci.Client{"zero": &zero, "nil": none} {
		if exists, err := client.Exists(context.Background(), registry.host()+"/org/app:v1"); exists || err != nil {
			t.Errorf("%s: %v, %v", name, exists, err)
		}
	}
}

// silent makes a registry that never answers; released lets its handlers end.
func silent(t testing.TB) *fakeRegistry {
	registry := newFakeRegistry(t)
	released := make(chan struct{})
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		select {
		case <-released:
		case <-r.Context().Done():
		}
		return true
	})
	t.Cleanup(func() { close(released) })
	return registry
}

func TestContexts(t *testing.T) {
	client, registry := newClient(t), silent(t)
	reference := registry.host() + "/org/app:v1"
	check := func(name string, ctx context.Context, sentinel, cause error) {
		t.Helper()
		start := time.Now()
		err := client.Pull(ctx, reference, t.TempDir())
		if !errors.Is(err, sentinel) || !errors.Is(err, cause) {
			t.Errorf("%s: got %v, want %v and %v", name, err, sentinel, cause)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	check("cancelled before", cancelled, oci.ErrCancelled, context.Canceled)
	if n := registry.requests.Load(); n != 0 {
		t.Errorf("a call that was cancelled before sent %d requests", n)
	}
	under, cancel := context.WithCancel(context.Background())
	go func() {
		for registry.requests.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	check("cancelled under way", under, oci.ErrCancelled, context.Canceled)
	late, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	check("deadline", late, oci.ErrTimeout, context.DeadlineExceeded)
	check("deadline passed before", late, oci.ErrTimeout, context.DeadlineExceeded)
	client = newClient(t, oci.WithTimeout(50*time.Millisecond))
	if err := client.Pull(context.Background(), reference, t.TempDir()); !errors.Is(err, oci.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client's own time-out: %v", err)
	}
	long, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := client.Pull(long, reference, t.TempDir()); !errors.Is(err, oci.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client's own time-out before the context's: %v", err)
	}
}

// TestDeadlineCountsForRetryAfter: a wait that does not fit is not begun.
func TestDeadlineCountsForRetryAfter(t *testing.T) {
	registry := newFakeRegistry(t)
	registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "60")
		registryError(w, http.StatusTooManyRequests, "TOOMANYREQUESTS")
		return true
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := newClient(t).Resolve(ctx, registry.host()+"/org/app:v1")
	var failure *oci.Error
	if !errors.As(err, &failure) || failure.Code != oci.CodeRateLimited || failure.RetryAfter != time.Minute || !failure.Retryable || ctx.Err() != nil {
		t.Errorf("got %+v", err)
	}
}
