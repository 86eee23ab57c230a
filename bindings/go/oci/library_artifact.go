//go:build cgo && linux && !cldoci_none

package oci

/*
#include <cldoci.h>
*/
import "C"

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"runtime"
	"slices"
)

// held is an artifact of the library, freed once no layer refers to it.
type held struct {
	artifact *C.cldoci_artifact
	digest   string // also keeps it out of the runtime's allocator of tiny objects
}

// size gives how many bytes a layer has.
func (s *layerSource) size() int {
	return int(C.cldoci_artifact_layer_size(s.held.artifact, C.size_t(s.index)))
}

// artifactOf gives the artifact of a result.
func artifactOf(result *C.cldoci_result) (*Artifact, error) {
	found := &held{}
	var object *C.cldoci_error
	if err := failure(C.cldoci_result_artifact(result, &found.artifact, &object), &object); err != nil {
		return nil, err
	}
	runtime.AddCleanup(found, func(artifact *C.cldoci_artifact) { C.cldoci_artifact_free(artifact) }, found.artifact)
	artifact := found.artifact
	made := &Artifact{
		Type:   ArtifactType(lent(func(n *C.size_t) *C.char { return C.cldoci_artifact_type(artifact, n) })),
		Digest: lent(func(n *C.size_t) *C.char { return C.cldoci_artifact_digest(artifact, n) }),
		Config: lentBytes(func(n *C.size_t) *C.uint8_t { return C.cldoci_artifact_config(artifact, n) }),
		Layers: make([]Layer, C.cldoci_artifact_layer_count(artifact)),
		Annotations: pairs(C.cldoci_artifact_annotation_count(artifact),
			func(i C.size_t, n *C.size_t) *C.char { return C.cldoci_artifact_annotation_key(artifact, i, n) },
			func(i C.size_t, n *C.size_t) *C.char { return C.cldoci_artifact_annotation_value(artifact, i, n) }),
	}
	found.digest = made.Digest
	if kind := made.Type; kind != ArtifactTypeComponent && kind != ArtifactTypeDatacenter && kind != ArtifactTypeModule {
		made.found.kind = kind
		made.found.configType = lent(func(n *C.size_t) *C.char { return C.cldoci_artifact_config_media_type(artifact, n) })
	}
	for i := range made.Layers {
		at := C.size_t(i)
		layer := &made.Layers[i]
		*layer = Layer{
			MediaType: lent(func(n *C.size_t) *C.char { return C.cldoci_artifact_layer_media_type(artifact, at, n) }),
			Digest:    lent(func(n *C.size_t) *C.char { return C.cldoci_artifact_layer_digest(artifact, at, n) }),
			Size:      int64(C.cldoci_artifact_layer_size(artifact, at)),
			Annotations: pairs(C.cldoci_artifact_layer_annotation_count(artifact, at),
				func(k C.size_t, n *C.size_t) *C.char {
					return C.cldoci_artifact_layer_annotation_key(artifact, at, k, n)
				},
				func(k C.size_t, n *C.size_t) *C.char {
					return C.cldoci_artifact_layer_annotation_value(artifact, at, k, n)
				}),
		}
		layer.source = &layerSource{held: found, index: i, digest: layer.Digest}
	}
	runtime.KeepAlive(found)
	return made, nil
}

// newArtifact gives an artifact to the library as its fields are now; the caller frees it.
func (n nativeClient) newArtifact(a *Artifact) (*C.cldoci_artifact, error) {
	kind, err := newString("the artifact's type", string(a.typeOf()))
	if err != nil {
		return nil, err
	}
	defer freeString(kind)
	var builder *C.cldoci_artifact_builder
	var object *C.cldoci_error
	if err := failure(C.cldoci_artifact_builder_new(n.handle, kind, &builder, &object), &object); err != nil {
		return nil, err
	}
	defer C.cldoci_artifact_builder_free(builder)
	if err := a.setConfig(builder); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(a.Annotations)) {
		err := withPair(key, a.Annotations[key], func(key, value *C.char) error {
			var object *C.cldoci_error
			return failure(C.cldoci_artifact_builder_set_annotation(builder, key, value, &object), &object)
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range a.Layers {
		if err := a.Layers[i].add(builder, C.size_t(i)); err != nil {
			return nil, err
		}
	}
	var artifact *C.cldoci_artifact
	err = failure(C.cldoci_artifact_builder_finish(builder, &artifact, &object), &object)
	return artifact, err
}

// setConfig gives the config to a builder. The config's media type is the artifact's own only where the library
// found another in an artifact of this type.
func (a *Artifact) setConfig(builder *C.cldoci_artifact_builder) error {
	if len(a.Config) == 0 {
		return nil
	}
	var mediaType *C.char
	if a.found.configType != "" && a.found.kind == a.Type {
		var err error
		if mediaType, err = newString("the config's media type", a.found.configType); err != nil {
			return err
		}
		defer freeString(mediaType)
	}
	data, size := bytesPointer(a.Config)
	var object *C.cldoci_error
	return failure(C.cldoci_artifact_builder_set_config(builder, mediaType, data, size, &object), &object)
}

// add puts a layer into an artifact. Bytes that the library has are not copied to it again.
func (l *Layer) add(builder *C.cldoci_artifact_builder, index C.size_t) error {
	if len(l.Data) == 0 && l.source == nil && l.file == "" {
		return &Error{Code: CodeArgument, Message: fmt.Sprintf("layer %d has no Data", index)}
	}
	var mediaType *C.char
	if l.MediaType != "" {
		var err error
		if mediaType, err = newString("a layer's media type", l.MediaType); err != nil {
			return err
		}
		defer freeString(mediaType)
	}
	_, err := entering(func() (none struct{}, err error) {
		var object *C.cldoci_error
		if l.source != nil && (l.Data == nil || fmt.Sprintf("sha256:%x", sha256.Sum256(l.Data)) == l.source.digest) {
			defer runtime.KeepAlive(l.source)
			held, at := l.source.held.artifact, C.size_t(l.source.index)
			return none, failure(C.cldoci_artifact_builder_add_layer(builder, mediaType, held, at, &object), &object)
		}
		if l.file != "" && l.Data == nil {
			file, err := newString("a layer's file", l.file)
			if err != nil {
				return none, err
			}
			defer freeString(file)
			return none, failure(C.cldoci_artifact_builder_add_file(builder, mediaType, file, &object), &object)
		}
		data, size := bytesPointer(l.Data)
		return none, failure(C.cldoci_artifact_builder_add_bytes(builder, mediaType, data, size, &object), &object)
	})
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(l.Annotations)) {
		err := withPair(key, l.Annotations[key], func(key, value *C.char) error {
			var object *C.cldoci_error
			return failure(C.cldoci_artifact_builder_set_layer_annotation(builder, index, key, value, &object), &object)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withPair lends an annotation's key and value to a call.
func withPair(key, value string, call func(key, value *C.char) error) error {
	k, err := newString("an annotation's key", key)
	if err != nil {
		return err
	}
	defer freeString(k)
	v, err := newString("annotation '"+key+"'", value)
	if err != nil {
		return err
	}
	defer freeString(v)
	return call(k, v)
}

// pairs copies what the library lends as a list of keys and values; nil where it is empty.
func pairs(count C.size_t, key, value func(index C.size_t, length *C.size_t) *C.char) map[string]string {
	if count == 0 {
		return nil
	}
	made := make(map[string]string, int(count))
	for i := range count {
		name := lent(func(n *C.size_t) *C.char { return key(i, n) })
		made[name] = lent(func(n *C.size_t) *C.char { return value(i, n) })
	}
	return made
}
