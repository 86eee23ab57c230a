//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeRegistry is a registry in memory that a test can make misbehave: a hook sees each request first and
// says whether it answered it.
type fakeRegistry struct {
	*httptest.Server
	hook     atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	requests atomic.Int64

	mutex     sync.Mutex
	blobs     map[string][]byte
	manifests map[string]manifest // by repository@digest and repository:tag
	uploads   map[string][]byte
}

type manifest struct {
	mediaType string
	body      []byte
}

func newFakeRegistry(t testing.TB) *fakeRegistry {
	registry := &fakeRegistry{
		blobs: map[string][]byte{}, manifests: map[string]manifest{}, uploads: map[string][]byte{},
	}
	registry.Server = httptest.NewServer(registry)
	t.Cleanup(registry.Close)
	return registry
}

func (f *fakeRegistry) host() string { return strings.TrimPrefix(f.URL, "http://") }

// intercept sets the hook; nil takes it away.
func (f *fakeRegistry) intercept(hook func(w http.ResponseWriter, r *http.Request) bool) {
	if hook == nil {
		f.hook.Store(nil)
		return
	}
	f.hook.Store(&hook)
}

func digestOf(body []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(body)) }

// registryError answers as the distribution-spec has errors.
func registryError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"says the test"}]}`, code)
}

var registryPath = regexp.MustCompile(`^/v2/(.+)/(blobs|manifests|tags)/(.*)$`)

func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	if hook := f.hook.Load(); hook != nil && (*hook)(w, r) {
		return
	}
	match := registryPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	repository, target := match[1], match[3]
	switch match[2] {
	case "blobs":
		f.serveBlob(w, r, repository, target, body)
	case "manifests":
		f.serveManifest(w, r, repository, target, body)
	case "tags":
		tags := []string{}
		for name := range f.manifests {
			if tag, ok := strings.CutPrefix(name, repository+":"); ok {
				tags = append(tags, tag)
			}
		}
		slices.Sort(tags)
		_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": tags})
	}
}

func (f *fakeRegistry) serveBlob(w http.ResponseWriter, r *http.Request, repository, target string, body []byte) {
	if target, ok := strings.CutPrefix(target, "uploads/"); ok {
		switch r.Method {
		case http.MethodPost:
			target = fmt.Sprint(len(f.uploads))
		case http.MethodPatch:
			f.uploads[target] = append(f.uploads[target], body...)
		case http.MethodPut:
			whole := append(f.uploads[target], body...)
			if want := r.URL.Query().Get("digest"); digestOf(whole) != want {
				registryError(w, http.StatusBadRequest, "DIGEST_INVALID")
				return
			}
			f.blobs[digestOf(whole)] = whole
			w.Header().Set("Docker-Content-Digest", digestOf(whole))
			w.Header().Set("Location", "/v2/"+repository+"/blobs/"+digestOf(whole))
			w.WriteHeader(http.StatusCreated)
			return
		}
		f.uploads[target] = append([]byte{}, f.uploads[target]...)
		w.Header().Set("Location", "/v2/"+repository+"/blobs/uploads/"+target)
		if size := len(f.uploads[target]); size > 0 {
			w.Header().Set("Range", fmt.Sprintf("0-%d", size-1))
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	blob, ok := f.blobs[target]
	if !ok {
		registryError(w, http.StatusNotFound, "BLOB_UNKNOWN")
		return
	}
	w.Header().Set("Docker-Content-Digest", target)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(blob))
}

func (f *fakeRegistry) serveManifest(w http.ResponseWriter, r *http.Request, repository, target string, body []byte) {
	separator := ":"
	if strings.Contains(target, ":") {
		separator = "@"
	}
	if r.Method == http.MethodPut {
		made := manifest{r.Header.Get("Content-Type"), body}
		f.manifests[repository+separator+target] = made
		f.manifests[repository+"@"+digestOf(body)] = made
		w.Header().Set("Docker-Content-Digest", digestOf(body))
		w.Header().Set("Location", "/v2/"+repository+"/manifests/"+digestOf(body))
		w.WriteHeader(http.StatusCreated)
		return
	}
	found, ok := f.manifests[repository+separator+target]
	if !ok {
		registryError(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		return
	}
	w.Header().Set("Content-Type", found.mediaType)
	w.Header().Set("Docker-Content-Digest", digestOf(found.body))
	w.Header().Set("Content-Length", fmt.Sprint(len(found.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(found.body)
	}
}

// manifestOf gives a pushed manifest, by repository:tag, and its digest.
func (f *fakeRegistry) manifestOf(t testing.TB, name string) (m struct {
	MediaType   string
	Config      descriptor
	Layers      []descriptor
	Annotations map[string]string
}, digest string) {
	t.Helper()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	found, ok := f.manifests[name]
	if !ok {
		t.Fatalf("the registry has no %s", name)
	}
	if err := json.Unmarshal(found.body, &m); err != nil {
		t.Fatal(err)
	}
	return m, digestOf(found.body)
}

type descriptor struct {
	MediaType   string
	Digest      string
	Size        int64
	Annotations map[string]string
}

func (f *fakeRegistry) blob(digest string) []byte {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.blobs[digest]
}

// realRegistry starts CNCF Distribution 3, else go-containerregistry's registry, on a free port of loopback and
// gives its host. Without either the test is left out, but not in CI.
func realRegistry(t testing.TB) string {
	t.Helper()
	if path := tool("registry3"); path != "" {
		return distribution(t, path, "")
	}
	if path := tool("crane"); path != "" {
		host := freeAddress(t)
		return started(t, host, exec.Command(path, "registry", "serve", "--address", host))
	}
	leftOut(t, "neither registry3 nor crane")
	return ""
}

// privateRegistry starts Distribution, which lets in nobody but user with the password "canary".
func privateRegistry(t testing.TB) string {
	t.Helper()
	path := tool("registry3")
	if path == "" {
		leftOut(t, "no registry3")
	}
	// bcrypt
	const line = "user:$2b$05$PbwKVtYczmYnSPccm26i3eK8bSLBwIZDt1JhUOMFF9fVKR/bGmgvi\n"
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	return distribution(t, path, fmt.Sprintf("auth: {htpasswd: {realm: tests, path: %q}}\n", file))
}

// leftOut skips a test that needs a tool; in CI that fails.
func leftOut(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what + " was found (scripts/install-tools.sh installs it)")
	}
	t.Skip(what + " was found (scripts/install-tools.sh installs it)")
}

func distribution(t testing.TB, path, more string) string {
	t.Helper()
	host, directory := freeAddress(t), t.TempDir()
	config := filepath.Join(directory, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", directory, host)
	if err := os.WriteFile(config, []byte(text+more), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "serve", config)
	command.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	return started(t, host, command)
}

// started runs a registry until the test ends, and gives its host once it answers.
func started(t testing.TB, host string, command *exec.Cmd) string {
	t.Helper()
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if response, err := http.Get("http://" + host + "/v2/"); err == nil {
			_ = response.Body.Close()
			return host
		}
		select {
		case <-ended:
			t.Fatalf("%s ended:\n%s", command.Path, output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer", command.Path)
		}
	}
}

// tool finds a program in the PATH or where scripts/install-tools.sh puts it; empty if it is nowhere.
func tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path, err := filepath.Abs("../../../build/tools/bin/" + name)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
