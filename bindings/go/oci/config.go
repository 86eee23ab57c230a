package oci

import (
	"bytes"
	"encoding/json"
)

// ComponentConfig is the config of a component artifact.
type ComponentConfig struct {
	SchemaVersion  string            `json:"schemaVersion"`            // "v1"
	Name           string            `json:"name,omitempty"`           // the component's name
	Description    string            `json:"description,omitempty"`    // what it is
	Readme         string            `json:"readme,omitempty"`         // the text of its README
	ChildArtifacts map[string]string `json:"childArtifacts,omitempty"` // resource → OCI reference
	SourceHash     string            `json:"sourceHash,omitempty"`     // empty: a build fills in the layer's digest
	BuildTime      string            `json:"buildTime,omitempty"`      // as the caller says
}

// DatacenterConfig is the config of a datacenter artifact.
type DatacenterConfig struct {
	SchemaVersion   string            `json:"schemaVersion"`             // "v1"
	Name            string            `json:"name"`                      // the datacenter's name
	ModuleArtifacts map[string]string `json:"moduleArtifacts,omitempty"` // module name → OCI reference
	ExtendsImage    string            `json:"extendsImage,omitempty"`    // the datacenter this one extends
	SourceHash      string            `json:"sourceHash,omitempty"`      // empty: a build fills in the layer's digest
	BuildTime       string            `json:"buildTime,omitempty"`       // as the caller says
}

// ModuleConfig is the config of a module artifact.
type ModuleConfig struct {
	Plugin     string            `json:"plugin"`               // "pulumi", "opentofu" or "native"
	Name       string            `json:"name"`                 // the module's name
	Inputs     map[string]string `json:"inputs,omitempty"`     // summary of the inputs' schema
	Outputs    map[string]string `json:"outputs,omitempty"`    // summary of the outputs' schema
	SourceHash string            `json:"sourceHash,omitempty"` // empty: a build fills in the layer's digest
	BuildTime  string            `json:"buildTime,omitempty"`  // as the caller says
}

// hasSourceHash tells the config types whose empty source hash a build fills.
func hasSourceHash(config any) bool {
	switch config.(type) {
	case ComponentConfig, *ComponentConfig, DatacenterConfig, *DatacenterConfig, ModuleConfig, *ModuleConfig:
		return true
	}
	return false
}

// marshalConfig gives a config's bytes: raw JSON as it is, all else marshalled. '<', '>' and '&' stay as they
// are, as the library's other bindings have them, so that one tree has one digest in every language.
func marshalConfig(config any) ([]byte, error) {
	if raw, ok := config.(json.RawMessage); ok && json.Valid(raw) {
		return raw, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(config); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
