// Package oci stands for cldctl's own package of this name: the same surface over the same library, with its faults.
// The tests hold its successor against it, and the migration is tried on it.
package oci

import "strings"

// ArtifactType is an artifact's kind.
type ArtifactType string

const (
	ArtifactTypeComponent  ArtifactType = "component"
	ArtifactTypeDatacenter ArtifactType = "datacenter"
	ArtifactTypeModule     ArtifactType = "module"

	MediaTypeComponentLayer  = "application/vnd.architect.component.layer.v1.tar+gzip"
	MediaTypeDatacenterLayer = "application/vnd.architect.datacenter.layer.v1.tar+gzip"
	MediaTypeModuleLayer     = "application/vnd.architect.module.layer.v1.tar+gzip"
)

type Artifact struct {
	Type        ArtifactType
	Reference   string
	Digest      string
	Config      []byte
	Layers      []Layer
	Annotations map[string]string
}

type Layer struct {
	MediaType   string
	Digest      string
	Size        int64
	Data        []byte
	Annotations map[string]string
}

type ComponentConfig struct {
	SchemaVersion  string            `json:"schemaVersion"`
	Readme         string            `json:"readme,omitempty"`
	ChildArtifacts map[string]string `json:"childArtifacts,omitempty"`
	SourceHash     string            `json:"sourceHash,omitempty"`
	BuildTime      string            `json:"buildTime,omitempty"`
}

type DatacenterConfig struct {
	SchemaVersion   string            `json:"schemaVersion"`
	Name            string            `json:"name"`
	ModuleArtifacts map[string]string `json:"moduleArtifacts,omitempty"`
	SourceHash      string            `json:"sourceHash,omitempty"`
	BuildTime       string            `json:"buildTime,omitempty"`
}

type Reference struct{ Registry, Repository, Tag, Digest string }

// ParseReference never fails.
func ParseReference(ref string) (*Reference, error) {
	made := &Reference{Registry: "docker.io"}
	ref, made.Digest, _ = strings.Cut(ref, "@")
	if first, rest, found := strings.Cut(ref, "/"); found && (strings.ContainsAny(first, ".:") || first == "localhost") {
		made.Registry, ref = first, rest
	}
	if ref, made.Tag, _ = strings.Cut(ref, ":"); made.Tag == "" && made.Digest == "" {
		made.Tag = "latest"
	}
	if made.Registry == "docker.io" && !strings.Contains(ref, "/") {
		ref = "library/" + ref
	}
	made.Repository = ref
	return made, nil
}

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
