package oci

// layoutScheme begins a reference to a local OCI image layout.
const layoutScheme = "ocidir://"

// Reference is a parsed OCI reference.
type Reference struct {
	Registry   string // "docker.io", "ghcr.io", "localhost:5000"; "ocidir:" for a local layout
	Repository string // "library/nginx", "myorg/myapp"; "/PATH" for a local layout
	Tag        string // "latest", "v1.0.0"
	Digest     string // "sha256:abc123…"
}

// ParseReference parses a reference as every method does. Without tag and digest the tag is "latest" (a local
// layout's stays empty: its only manifest is meant).
func ParseReference(ref string) (*Reference, error) { return parseReference(ref) }

// String gives the whole reference: registry/repository[:tag][@digest].
func (r *Reference) String() string {
	text := r.Registry + "/" + r.Repository
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest != "" {
		text += "@" + r.Digest
	}
	return text
}
