//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
)

// dockerConfig gives the test a docker configuration of its own, and its file's path.
func dockerConfig(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	t.Setenv("DOCKER_CONFIG", directory)
	t.Setenv("XDG_RUNTIME_DIR", directory)
	t.Setenv("XDG_CONFIG_HOME", directory)
	return filepath.Join(directory, "config.json")
}

func TestLoginAndLogout(t *testing.T) {
	file, host, ctx := dockerConfig(t), privateRegistry(t), context.Background()
	const kept = `{"kept": [1,  2]}`
	if err := os.WriteFile(file, []byte(kept), 0o644); err != nil {
		t.Fatal(err)
	}
	reference := host + "/org/app:v1"
	client := newClient(t)
	if _, err := client.Exists(ctx, reference); !errors.Is(err, oci.ErrUnauthorized) {
		t.Errorf("before: %v", err)
	}
	if _, err := client.Login(ctx, host, "user", "canary-wrong"); !errors.Is(err, oci.ErrUnauthorized) || strings.Contains(err.Error(), "canary") {
		t.Errorf("with a wrong password: %v", err)
	}
	done, err := client.Login(ctx, host, "user", "canary")
	if err != nil || !strings.Contains(done.CredentialSource, file) {
		t.Fatalf("got %+v, %v", done, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if text, _ := os.ReadFile(file); !strings.Contains(string(text), `"kept": [1,  2]`) {
		t.Errorf("the file is %s", text)
	}
	if exists, result, err := client.ExistsWith(ctx, reference); exists || err != nil || !strings.Contains(result.CredentialSource, file) {
		t.Errorf("after: %v, %+v, %v", exists, result, err)
	}
	for _, want := range []bool{true, false} {
		if had, err := client.Logout(ctx, host); had != want || err != nil {
			t.Errorf("logout: %v, %v", had, err)
		}
	}
	if _, err := client.Exists(ctx, reference); !errors.Is(err, oci.ErrUnauthorized) {
		t.Errorf("after the logout: %v", err)
	}
	if _, err := client.Login(ctx, host, "user", "can\x00ary"); !errors.Is(err, oci.ErrArgument) {
		t.Errorf("a password with a NUL: %v", err)
	}
}

// TestCredentialFunc asks once for a repository, and shows what it was given.
func TestCredentialFunc(t *testing.T) {
	dockerConfig(t)
	host, ctx := privateRegistry(t), context.Background()
	var asked atomic.Int64
	client := newClient(t, oci.WithCredentialFunc(func(registry, repository string) (oci.Credential, error) {
		asked.Add(1)
		if registry != host || !strings.HasPrefix(repository, "org/app") {
			t.Errorf("asked for %s/%s", registry, repository)
		}
		return oci.Credential{Username: "user", Password: "canary"}, nil
	}))
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = host + "/org/app:v1"
	result, err := client.PushWith(ctx, artifact)
	if err != nil || result.CredentialSource != "the credential callback" {
		t.Fatalf("got %+v, %v", result, err)
	}
	config, result, err := client.PullConfigWith(ctx, artifact.Reference)
	if err != nil || !bytes.Equal(config, artifact.Config) || result.CredentialSource != "the credential callback" {
		t.Errorf("got %s, %+v, %v", config, result, err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// A call can't bring one.
	_, err = client.Resolve(ctx, artifact.Reference, oci.WithCredentialFunc(func(string, string) (oci.Credential, error) { return oci.Credential{}, nil }))
	if !errors.Is(err, oci.ErrArgument) {
		t.Errorf("given to a call: %v", err)
	}
}

// TestCredentialRequestFunc: one that wants to know the action is asked once for each.
func TestCredentialRequestFunc(t *testing.T) {
	dockerConfig(t)
	host, ctx := privateRegistry(t), context.Background()
	var mutex sync.Mutex
	var asked []oci.CredentialRequest
	client := newClient(t, oci.WithCredentialRequestFunc(func(_ context.Context, request oci.CredentialRequest) (oci.Credential, error) {
		mutex.Lock()
		defer mutex.Unlock()
		asked = append(asked, request)
		return oci.Credential{Username: "user", Password: "canary"}, nil
	}))
	reference := host + "/org/app:v1"
	artifact := build(t, client, tree(t, map[string]string{"a": "1"}), oci.ArtifactTypeComponent, nil)
	artifact.Reference = reference
	for range 2 {
		_, _ = client.Exists(ctx, reference)
		if err := client.Push(ctx, artifact); err != nil {
			t.Fatal(err)
		}
	}
	want := []oci.CredentialRequest{{Registry: host, Repository: "org/app", Action: oci.ActionPull}, {Registry: host, Repository: "org/app", Action: oci.ActionPush}}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	if text := fmt.Sprint(oci.ActionIdentify, oci.ActionPull, oci.ActionPush, oci.ActionDelete, oci.Action(9)); text != "identify pull push delete action 9" {
		t.Errorf("the actions are %s", text)
	}
	if oci.WithCredentialRequestFunc(nil) != nil {
		t.Error("no function is an option")
	}
}

func TestCredentialFuncHasNoneOrFails(t *testing.T) {
	file, host, ctx := dockerConfig(t), privateRegistry(t), context.Background()
	reference := host + "/org/app:v1"
	if _, err := newClient(t).Login(ctx, host, "user", "canary"); err != nil {
		t.Fatal(err)
	}
	// "None" lets docker's file answer.
	none := oci.WithCredentialFunc(func(string, string) (oci.Credential, error) { return oci.Credential{}, nil })
	if _, result, err := newClient(t, none).ExistsWith(ctx, reference); err != nil || !strings.Contains(result.CredentialSource, file) {
		t.Errorf("got %+v, %v", result, err)
	}
	// An error is the call's, and is found in it.
	sealed := errors.New("the vault is sealed")
	fails := oci.WithCredentialFunc(func(string, string) (oci.Credential, error) { return oci.Credential{}, fmt.Errorf("asked: %w", sealed) })
	if _, err := newClient(t, fails).Exists(ctx, reference); !errors.Is(err, oci.ErrCredentials) || !errors.Is(err, sealed) || !strings.Contains(err.Error(), "the vault is sealed") {
		t.Errorf("got %v", err)
	}
	// What no header can carry is an error that does not show it.
	bad := oci.WithCredentialFunc(func(string, string) (oci.Credential, error) {
		return oci.Credential{Username: "us:er", Password: "canary"}, nil
	})
	if _, err := newClient(t, bad).Exists(ctx, reference); !errors.Is(err, oci.ErrCredentials) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
	wrong := oci.WithCredentialFunc(func(string, string) (oci.Credential, error) {
		return oci.Credential{Username: "user", Password: "canary-wrong"}, nil
	})
	if _, err := newClient(t, wrong).Exists(ctx, reference); !errors.Is(err, oci.ErrUnauthorized) || errors.Is(err, sealed) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

// TestCredentialFuncKinds: each kind of credential arrives at the registry as what it is.
func TestCredentialFuncKinds(t *testing.T) {
	dockerConfig(t)
	for name, row := range map[string]struct {
		credential oci.Credential
		challenge  string
		want       string
	}{
		"basic":    {oci.Credential{Username: "user", Password: "canary"}, `Basic realm="x"`, "Basic dXNlcjpjYW5hcnk="},
		"registry": {oci.Credential{RegistryToken: "canary", Password: "no"}, `Bearer realm="/token",service="x"`, "Bearer canary"},
		"identity": {oci.Credential{IdentityToken: "canary", Password: "no"}, `Bearer realm="/token",service="x"`, "Bearer issued"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := newFakeRegistry(t)
			registry.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					if r.FormValue("grant_type") != "refresh_token" || r.FormValue("refresh_token") != "canary" {
						t.Errorf("the token endpoint got %v", r.Form)
					}
					_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "issued", "expires_in": 300})
					return true
				}
				if got := r.Header.Get("Authorization"); got == row.want {
					return false
				} else if got != "" {
					t.Errorf("got %q", got)
				}
				w.Header().Set("WWW-Authenticate", row.challenge)
				w.WriteHeader(http.StatusUnauthorized)
				return true
			})
			client := newClient(t, oci.WithCredentialFunc(func(string, string) (oci.Credential, error) { return row.credential, nil }))
			if exists, err := client.Exists(context.Background(), registry.host()+"/org/app:v1"); exists || err != nil {
				t.Errorf("got %v, %v", exists, err)
			}
			for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
				if text := fmt.Sprintf(format, row.credential); strings.Contains(text, "canary") {
					t.Errorf("%s prints %s", format, text)
				}
			}
		})
	}
}

// TestCredentialFuncUnderLoad calls into Go from the library's threads, with a crowd of calls that wait for the
// answer and a collector that never rests; afterwards the function is let go.
func TestCredentialFuncUnderLoad(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	dockerConfig(t)
	host := privateRegistry(t)
	stop, collected := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	released := make(chan struct{})
	var asked atomic.Int64
	func() {
		garbage := &[1 << 10]byte{}
		runtime.AddCleanup(garbage, func(done chan struct{}) { close(done) }, released)
		client := newClient(t, oci.WithCredentialFunc(func(registry, repository string) (oci.Credential, error) {
			asked.Add(1)
			runtime.KeepAlive(garbage)
			return oci.Credential{Username: "us" + strings.Repeat("er", 1), Password: fmt.Sprint("can", "ary")}, nil
		}))
		var group sync.WaitGroup
		for i := range 100 {
			group.Add(1)
			go func() {
				defer group.Done()
				if exists, err := client.Exists(context.Background(), fmt.Sprintf("%s/org/app%d:v1", host, i%10)); exists || err != nil {
					t.Errorf("call %d: %v, %v", i, exists, err)
				}
			}()
		}
		group.Wait()
	}()
	close(stop)
	<-collected
	if n := asked.Load(); n != 10 {
		t.Errorf("asked %d times for 10 repositories", n)
	}
	for deadline := time.After(20 * time.Second); ; {
		runtime.GC()
		select {
		case <-released:
			return
		case <-deadline:
			t.Fatal("the library still holds the function")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestLogger(t *testing.T) {
	dockerConfig(t)
	host := privateRegistry(t)
	var mutex sync.Mutex
	var text bytes.Buffer
	client := newClient(t, oci.WithCredentials(host, "user", "canary"),
		oci.WithLogger(slog.New(slog.NewTextHandler(lockedWriter{&mutex, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if _, err := client.Exists(context.Background(), host+"/org/app:v1"); err != nil {
		t.Fatal(err)
	}
	logged := func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return text.String()
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(logged(), "/v2/org/app/manifests/v1"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("logged: %s", logged())
		}
	}
	if strings.Contains(logged(), "canary") || !strings.Contains(logged(), "level=DEBUG") {
		t.Errorf("logged: %s", logged())
	}
}

type lockedWriter struct {
	mutex *sync.Mutex
	to    *bytes.Buffer
}

func (w lockedWriter) Write(line []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.to.Write(line)
}
