// Everyday measures one verb as a warm program calls it: many small artifacts, one after the other or many at once.
//
//	everyday package|bare VERB REFERENCE DIRECTORY AT-ONCE OPERATIONS
//
// It is built twice: in bindings/go against cldoci's package, in tests/go/cldctl against what cldctl has today, with
// the same calls. `bare` is what a program could at best do: the same requests by net/http, and the work on files
// plainly, without a check. Pulls go below DIRECTORY, builds are of it. Prints one line of JSON.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/davidthor/cldctl/pkg/oci"
)

// A verb: operation n of it.
type verb func(n int) error

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "everyday package|bare VERB REFERENCE DIRECTORY AT-ONCE OPERATIONS")
		os.Exit(2)
	}
	atOnce, err := strconv.Atoi(os.Args[5])
	fail(err)
	operations, err := strconv.Atoi(os.Args[6])
	fail(err)
	verbs := ofPackage
	if os.Args[1] == "bare" {
		verbs = ofBare
	}
	run, err := verbs(os.Args[2], os.Args[3], os.Args[4])
	fail(err)
	// Warm: connections, threads, what is asked once.
	for n := range atOnce {
		fail(run(-1 - n))
	}
	measure(run, atOnce, operations)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "everyday:", err)
		os.Exit(1)
	}
}

// measure runs the operations and prints what they took.
func measure(run verb, atOnce, operations int) {
	took := make([]float64, operations)
	var next atomic.Int64
	var group sync.WaitGroup
	var most atomic.Int64
	ended := make(chan struct{})
	go func() {
		for {
			if tasks, err := os.ReadDir("/proc/self/task"); err == nil && int64(len(tasks)) > most.Load() {
				most.Store(int64(len(tasks)))
			}
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	before, began := usage(), time.Now()
	for range atOnce {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := int(next.Add(1)) - 1; n < operations; n = int(next.Add(1)) - 1 {
				start := time.Now()
				fail(run(n))
				took[n] = time.Since(start).Seconds()
			}
		}()
	}
	group.Wait()
	wall, after := time.Since(began).Seconds(), usage()
	close(ended)
	slices.Sort(took)
	count := float64(operations)
	fail(json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"per_second": count / wall,
		"p50":        took[operations/2],
		"p99":        took[operations*99/100],
		"cpu":        (seconds(after.Utime) + seconds(after.Stime) - seconds(before.Utime) - seconds(before.Stime)) / count,
		"waits":      float64(after.Nvcsw-before.Nvcsw) / count,
		"rss":        peak(),
		"threads":    float64(most.Load()),
	}))
}

func usage() (found syscall.Rusage) {
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &found))
	return found
}

// peak gives the process's peak memory in bytes. That of getrusage begins with what its parent had.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	fail(err)
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	fail(err)
	return float64(kilobytes) * 1024
}

func seconds(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }

func ofPackage(name, reference, directory string) (verb, error) {
	ctx, client := context.Background(), oci.NewClient()
	out := func(n int) string { return filepath.Join(directory, fmt.Sprint(n)) }
	switch name {
	case "exists":
		return func(int) error {
			found, err := client.Exists(ctx, reference)
			if err == nil && !found {
				err = fmt.Errorf("%s is not there", reference)
			}
			return err
		}, nil
	case "config":
		return func(int) error { _, err := client.PullConfig(ctx, reference); return err }, nil
	case "pull":
		return func(n int) error { return client.Pull(ctx, reference, out(n)) }, nil
	case "tag":
		to := reference[:strings.LastIndexByte(reference, ':')] + ":again"
		return func(int) error { return client.Tag(ctx, reference, to) }, nil
	case "build", "push", "push-new":
		build := func() (*oci.Artifact, error) {
			return client.BuildFromDirectory(ctx, directory, oci.ArtifactTypeComponent, map[string]string{"name": "a"})
		}
		if name == "build" {
			return func(int) error { _, err := build(); return err }, nil
		}
		made, err := build()
		if err != nil {
			return nil, err
		}
		return func(n int) error {
			artifact := *made
			artifact.Reference = reference
			if name == "push-new" {
				artifact.Reference = fresh(reference, n)
			}
			return client.Push(ctx, &artifact)
		}, nil
	}
	return nil, fmt.Errorf("no verb %s", name)
}

// fresh gives a repository that is new each time, also to the next process.
func fresh(reference string, n int) string {
	place, tag, _ := strings.Cut(reference[strings.IndexByte(reference, '/'):], ":")
	host := reference[:strings.IndexByte(reference, '/')]
	return fmt.Sprintf("%s%s/r%d-%d:%s", host, place, os.Getpid(), n+1<<20, tag)
}

const accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"

// token is for the registry, which then speaks TLS.
var token = os.Getenv("EVERYDAY_TOKEN")

func scheme() string {
	if token != "" {
		return "https://"
	}
	return "http://"
}

// bare is a plain client of one artifact.
type bare struct {
	client *http.Client
	base   string
}

func ofBare(name, reference, directory string) (verb, error) {
	host, path, _ := strings.Cut(reference, "/")
	repository, tag, _ := strings.Cut(path, ":")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	b := bare{&http.Client{Transport: transport}, scheme() + host + "/v2/" + repository}
	switch name {
	case "exists":
		return func(int) error { _, _, err := b.ask("HEAD", "/manifests/"+tag, "", nil); return err }, nil
	case "config":
		return func(int) error {
			manifest, _, _, err := b.manifest(tag)
			if err == nil {
				_, _, err = b.ask("GET", "/blobs/"+manifest.Config.Digest, "", nil)
			}
			return err
		}, nil
	case "pull":
		return func(n int) error {
			manifest, _, _, err := b.manifest(tag)
			if err != nil {
				return err
			}
			layer, _, err := b.ask("GET", "/blobs/"+manifest.Layers[0].Digest, "", nil)
			if err != nil {
				return err
			}
			return unpack(layer, filepath.Join(directory, fmt.Sprint(n)))
		}, nil
	case "tag":
		return func(int) error {
			_, bytes, mediaType, err := b.manifest(tag)
			if err == nil {
				_, _, err = b.ask("PUT", "/manifests/again", mediaType, bytes)
			}
			return err
		}, nil
	case "build":
		return func(int) error { return pack(directory) }, nil
	case "push-new":
		manifest, bytes, mediaType, err := b.manifest(tag)
		if err != nil {
			return nil, err
		}
		digests := []string{manifest.Layers[0].Digest, manifest.Config.Digest}
		blobs := map[string][]byte{}
		for _, digest := range digests {
			if blobs[digest], _, err = b.ask("GET", "/blobs/"+digest, "", nil); err != nil {
				return nil, err
			}
		}
		return func(n int) error {
			_, path, _ := strings.Cut(fresh(reference, n), "/")
			repository, _, _ := strings.Cut(path, ":")
			to := bare{b.client, scheme() + host + "/v2/" + repository}
			for _, digest := range digests {
				if err := to.upload(digest, blobs[digest]); err != nil {
					return err
				}
			}
			_, _, err := to.ask("PUT", "/manifests/"+tag, mediaType, bytes)
			return err
		}, nil
	case "push":
		// All of it is there: asked for at once.
		manifest, _, _, err := b.manifest(tag)
		return func(int) error {
			paths := []string{"/manifests/" + tag, "/blobs/" + manifest.Layers[0].Digest, "/blobs/" + manifest.Config.Digest}
			answers := make(chan error, len(paths))
			for _, path := range paths {
				go func() { _, _, err := b.ask("HEAD", path, "", nil); answers <- err }()
			}
			var failed error
			for range paths {
				failed = errors.Join(failed, <-answers)
			}
			return failed
		}, err
	}
	return nil, fmt.Errorf("no verb %s", name)
}

type descriptor struct{ Digest string }

type manifest struct {
	Config descriptor
	Layers []descriptor
}

func (b bare) manifest(tag string) (found manifest, body []byte, mediaType string, err error) {
	body, mediaType, err = b.ask("GET", "/manifests/"+tag, "", nil)
	if err == nil {
		err = json.Unmarshal(body, &found)
	}
	return found, body, mediaType, err
}

// upload sends a blob in the two requests that it takes.
func (b bare) upload(digest string, body []byte) error {
	begun, err := b.client.Post(b.base+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	begun.Body.Close()
	location, err := begun.Location()
	if err != nil {
		return err
	}
	query := location.Query()
	query.Set("digest", digest)
	location.RawQuery = query.Encode()
	request, err := http.NewRequest("PUT", location.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	answer, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode != http.StatusCreated {
		err = fmt.Errorf("upload: %s", answer.Status)
	}
	return err
}

func (b bare) ask(method, path, mediaType string, body []byte) ([]byte, string, error) {
	request, err := http.NewRequest(method, b.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Accept", accepted)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	answer, err := b.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	found, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return found, answer.Header.Get("Content-Type"), err
}

func unpack(layer []byte, directory string) error {
	decoded, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return err
	}
	for archive := tar.NewReader(decoded); ; {
		entry, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(directory, entry.Name)
		switch entry.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(entry.Linkname, path)
		default:
			err = write(path, archive, os.FileMode(entry.Mode))
		}
		if err != nil {
			return err
		}
	}
}

func write(path string, from io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		return err
	}
	return file.Close()
}

func pack(directory string) error {
	var layer bytes.Buffer
	compressed := gzip.NewWriter(&layer)
	archive := tar.NewWriter(compressed)
	if err := archive.AddFS(os.DirFS(directory)); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}
