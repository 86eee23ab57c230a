package oci

import "sync"

// ArtifactType says what an artifact is: one of the three kinds below, or a custom kind by its media type
// ("application/vnd.example.thing.v1+json"), which becomes the manifest's artifactType.
type ArtifactType string

// The kinds of cldctl's artifacts.
const (
	ArtifactTypeComponent  ArtifactType = "component"
	ArtifactTypeDatacenter ArtifactType = "datacenter"
	ArtifactTypeModule     ArtifactType = "module"
)

// The media types of cldctl's artifacts.
const (
	MediaTypeComponentConfig = "application/vnd.architect.component.config.v1+json"
	MediaTypeComponentLayer  = "application/vnd.architect.component.layer.v1.tar+gzip"

	MediaTypeDatacenterConfig = "application/vnd.architect.datacenter.config.v1+json"
	MediaTypeDatacenterLayer  = "application/vnd.architect.datacenter.layer.v1.tar+gzip"

	MediaTypeModuleConfig = "application/vnd.architect.module.config.v1+json"
	MediaTypeModuleLayer  = "application/vnd.architect.module.layer.v1.tar+gzip"
)

// Artifact is what [Client.BuildFromDirectory] makes and [Client.Push] sends. A caller may change what was
// built, or put an artifact together by hand: a push sends what the fields say at that moment.
type Artifact struct {
	// Type is the artifact's kind. Empty, it is told by the layers' media types, else it is a component.
	Type ArtifactType
	// Reference is where a push goes: "ghcr.io/org/app:v1".
	Reference string
	// Digest is the manifest's digest. It is only written here, by build, push and inspect, never read.
	Digest string
	// Config holds the config's bytes, which are sent as they are; empty, "{}" is sent.
	Config []byte
	// Layers holds the layers in order.
	Layers []Layer
	// Annotations are the manifest's.
	Annotations map[string]string

	// found is what the library found that has no field: the config's media type in an artifact of this custom
	// kind.
	found struct {
		kind       ArtifactType
		configType string
	}
}

// Layer is one layer of an artifact.
type Layer struct {
	// MediaType is the layer's media type; empty, it is the one of the artifact's type.
	MediaType string
	// Digest is the digest of the layer's bytes. A push works it out anew.
	Digest string
	// Size is the number of the layer's bytes. A push works it out anew.
	Size int64
	// Data holds the layer's bytes as they are stored (compressed). Nil in a layer that was built under
	// [WithoutLayerData] or inspected: its bytes stay where they are and a push streams them from there. JSON does not
	// carry where that is.
	Data []byte
	// Annotations are the layer's descriptor's.
	Annotations map[string]string

	// source is where the bytes are that the library made or found; nil in a layer made by hand.
	source *layerSource
	// file is where the bytes of a [FileLayer] are.
	file string
}

// FileLayer makes a layer of a file, for an artifact that is put together by hand. Its bytes are sent as they
// are, from the file, which must not change until the push has ended ([ErrChanged]). Data, if it is set later,
// comes before the file.
func FileLayer(mediaType, file string) Layer { return Layer{MediaType: mediaType, file: file} }

// Descriptor names content: what is at a reference, or refers to an artifact. Its JSON is that of the image-spec's
// descriptor, whose urls, data and platform it passes over.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`              // of the content, a manifest's usually
	Digest       string            `json:"digest"`                 // of the content
	Size         int64             `json:"size"`                   // in bytes
	Annotations  map[string]string `json:"annotations,omitempty"`  // of a referrer's descriptor
	ArtifactType string            `json:"artifactType,omitempty"` // of a referrer; empty where it has none
}

// Descriptor gives a layer's descriptor, as the manifest has it.
func (l *Layer) Descriptor() Descriptor {
	return Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size, Annotations: l.Annotations}
}

// layerSource is where a layer's bytes are.
type layerSource struct {
	held   *held
	index  int
	digest string
}

// orComponent gives the type, or what cldctl takes an artifact without one for.
func (t ArtifactType) orComponent() ArtifactType {
	if t == "" {
		return ArtifactTypeComponent
	}
	return t
}

// typeOf gives an artifact's type: its own, else what its layers say.
func (a *Artifact) typeOf() ArtifactType {
	if a.Type == "" {
		for _, layer := range a.Layers {
			switch layer.MediaType {
			case MediaTypeDatacenterLayer:
				return ArtifactTypeDatacenter
			case MediaTypeModuleLayer:
				return ArtifactTypeModule
			}
		}
	}
	return a.Type.orComponent()
}

var digestMutex sync.Mutex

// setDigest writes the digest where it changed, so that any number of pushes can share an unchanged artifact.
func (a *Artifact) setDigest(digest string) {
	digestMutex.Lock()
	defer digestMutex.Unlock()
	if a.Digest != digest {
		a.Digest = digest
	}
}
