// Package imagespec holds the Go package's descriptors against the image-spec's own types. It is a module of its own, so
// that the package's stays free of them.
package imagespec

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// through gives what a value's JSON is to another type.
func through[T any](t *testing.T, from any) (text string, to T) {
	t.Helper()
	body, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &to); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return string(body), to
}

func TestDescriptorsAreTheImageSpecs(t *testing.T) {
	some := digest.FromString("x")
	for name, row := range map[string]struct {
		ours   oci.Descriptor
		theirs ocispec.Descriptor
	}{
		"zero": {},
		"of a manifest": {
			oci.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: some.String(), Size: 7},
			ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: some, Size: 7},
		},
		"of a referrer": {
			oci.Descriptor{
				MediaType: ocispec.MediaTypeImageManifest, Digest: some.String(), Size: 1 << 40,
				ArtifactType: "application/vnd.test", Annotations: map[string]string{"a": "<b>", "ä": ""},
			},
			ocispec.Descriptor{
				MediaType: ocispec.MediaTypeImageManifest, Digest: some, Size: 1 << 40,
				ArtifactType: "application/vnd.test", Annotations: map[string]string{"a": "<b>", "ä": ""},
			},
		},
	} {
		text, theirs := through[ocispec.Descriptor](t, row.ours)
		if !reflect.DeepEqual(theirs, row.theirs) {
			t.Errorf("%s: %s is %+v to the image-spec", name, text, theirs)
		}
		want, ours := through[oci.Descriptor](t, row.theirs)
		if !reflect.DeepEqual(ours, row.ours) {
			t.Errorf("%s: %s is %+v to us", name, want, ours)
		}
		if text != want {
			t.Errorf("%s: we write %s, the image-spec %s", name, text, want)
		}
	}
}

func TestLayersGiveTheirDescriptor(t *testing.T) {
	layer := oci.Layer{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromString("x").String(), Size: 3, Annotations: map[string]string{"a": "b"}}
	_, theirs := through[ocispec.Descriptor](t, layer.Descriptor())
	if theirs.MediaType != layer.MediaType || theirs.Digest.String() != layer.Digest || theirs.Size != layer.Size || theirs.Annotations["a"] != "b" {
		t.Errorf("got %+v", theirs)
	}
}
