package oci_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

// engineClient is the interface behind which cldctl's engine holds the client.
type engineClient interface {
	Pull(ctx context.Context, reference string, destDir string) error
	PullConfig(ctx context.Context, reference string) ([]byte, error)
	Exists(ctx context.Context, reference string) (bool, error)
}

var (
	_ engineClient = (*oci.Client)(nil)
	_ engineClient = oci.NewClient()

	// The signatures of today, exactly: a method value of another type does not compile.
	_ func(*oci.Client, context.Context, *oci.Artifact) error                                          = (*oci.Client).Push
	_ func(*oci.Client, context.Context, string, string) error                                         = (*oci.Client).Pull
	_ func(*oci.Client, context.Context, string) ([]byte, error)                                       = (*oci.Client).PullConfig
	_ func(*oci.Client, context.Context, string) (bool, error)                                         = (*oci.Client).Exists
	_ func(*oci.Client, context.Context, string, string) error                                         = (*oci.Client).Tag
	_ func(*oci.Client, context.Context, string, oci.ArtifactType, interface{}) (*oci.Artifact, error) = (*oci.Client).BuildFromDirectory
	_ func(string) (*oci.Reference, error)                                                             = oci.ParseReference
	_ func(*oci.Reference) string                                                                      = (*oci.Reference).String
	_ string                                                                                           = string(oci.ArtifactTypeComponent)
)

// exported gives a struct's exported fields as "Name Type `tag`".
func exported(value any) (fields []string) {
	kind := reflect.TypeOf(value)
	for i := range kind.NumField() {
		if field := kind.Field(i); field.IsExported() {
			fields = append(fields, field.Name+" "+field.Type.String()+" "+string(field.Tag))
		}
	}
	return fields
}

func TestFieldsOfTheTypes(t *testing.T) {
	for _, row := range []struct {
		value any
		want  []string
	}{
		{oci.Artifact{}, []string{"Type oci.ArtifactType ", "Reference string ", "Digest string ", "Config []uint8 ", "Layers []oci.Layer ", "Annotations map[string]string "}},
		{oci.Layer{}, []string{"MediaType string ", "Digest string ", "Size int64 ", "Data []uint8 ", "Annotations map[string]string "}},
		{oci.Reference{}, []string{"Registry string ", "Repository string ", "Tag string ", "Digest string "}},
		{oci.ComponentConfig{}, []string{
			"SchemaVersion string json:\"schemaVersion\"", "Name string json:\"name,omitempty\"",
			"Description string json:\"description,omitempty\"", "Readme string json:\"readme,omitempty\"",
			"ChildArtifacts map[string]string json:\"childArtifacts,omitempty\"",
			"SourceHash string json:\"sourceHash,omitempty\"", "BuildTime string json:\"buildTime,omitempty\"",
		}},
		{oci.DatacenterConfig{}, []string{
			"SchemaVersion string json:\"schemaVersion\"", "Name string json:\"name\"",
			"ModuleArtifacts map[string]string json:\"moduleArtifacts,omitempty\"",
			"ExtendsImage string json:\"extendsImage,omitempty\"",
			"SourceHash string json:\"sourceHash,omitempty\"", "BuildTime string json:\"buildTime,omitempty\"",
		}},
		{oci.ModuleConfig{}, []string{
			"Plugin string json:\"plugin\"", "Name string json:\"name\"",
			"Inputs map[string]string json:\"inputs,omitempty\"", "Outputs map[string]string json:\"outputs,omitempty\"",
			"SourceHash string json:\"sourceHash,omitempty\"", "BuildTime string json:\"buildTime,omitempty\"",
		}},
	} {
		if got := exported(row.value); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%T:\n got %q\nwant %q", row.value, got, row.want)
		}
	}
}

// TestEveryNameIsDocumented: what is exported has a comment, of its own or of its group.
func TestEveryNameIsDocumented(t *testing.T) {
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(file fs.FileInfo) bool { return !strings.HasSuffix(file.Name(), "_test.go") }, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	want := func(documented bool, names ...*ast.Ident) {
		for _, name := range names {
			if name.IsExported() {
				seen++
				if !documented {
					t.Errorf("%s has no comment", name)
				}
			}
		}
	}
	for _, file := range packages["oci"].Files {
		for _, declaration := range file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				want(declaration.Doc != nil, declaration.Name)
			case *ast.GenDecl:
				for _, spec := range declaration.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						want(declaration.Doc != nil || spec.Doc != nil || spec.Comment != nil, spec.Names...)
					case *ast.TypeSpec:
						want(declaration.Doc != nil || spec.Doc != nil, spec.Name)
						if fields, ok := spec.Type.(*ast.StructType); ok {
							for _, field := range fields.Fields.List {
								want(field.Doc != nil || field.Comment != nil, field.Names...)
							}
						}
					}
				}
			}
		}
	}
	if seen < 150 {
		t.Errorf("only %d names were seen", seen)
	}
}
