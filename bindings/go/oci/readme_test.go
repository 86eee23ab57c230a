//go:build cgo && linux && !cldoci_none

package oci_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/davidthor/cldctl/pkg/oci"
)

// readmeBlocks gives the Go blocks of the package's README with the headings they stand under.
func readmeBlocks(t *testing.T) (headings, blocks []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/seed-readme.md")
	if err != nil {
		t.Fatal(err)
	}
	heading, block, inside := "", "", false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "```go"):
			inside, block = true, ""
		case strings.HasPrefix(line, "```") && inside:
			inside = false
			headings, blocks = append(headings, heading), append(blocks, block)
		case inside:
			block += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return headings, blocks
}

// declarations gives the fields of the structs and the values of the constants that a block declares.
func declarations(t *testing.T, block string) (types map[string][]string, constants map[string]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "block.go", "package oci\n"+block, 0)
	if err != nil {
		t.Fatal(err)
	}
	types, constants = map[string][]string{}, map[string]string{}
	for _, declaration := range file.Decls {
		for _, spec := range declaration.(*ast.GenDecl).Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					types[spec.Name.Name] = append(types[spec.Name.Name], field.Names[0].Name+" "+typeText(field.Type))
				}
			case *ast.ValueSpec:
				constants[spec.Names[0].Name] = strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
			}
		}
	}
	return types, constants
}

func typeText(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.ArrayType:
		return "[]" + typeText(e.Elt)
	case *ast.MapType:
		return "map[" + typeText(e.Key) + "]" + typeText(e.Value)
	}
	return "?"
}

// TestReadmeDeclarations: each type and constant of the README is here, with the fields and values it says.
func TestReadmeDeclarations(t *testing.T) {
	ours := map[string]reflect.Type{}
	for _, value := range []any{oci.Artifact{}, oci.Layer{}, oci.Reference{}, oci.ComponentConfig{}, oci.DatacenterConfig{}, oci.ModuleConfig{}} {
		ours[reflect.TypeOf(value).Name()] = reflect.TypeOf(value)
	}
	constants := map[string]string{
		"ArtifactTypeComponent": string(oci.ArtifactTypeComponent), "ArtifactTypeDatacenter": string(oci.ArtifactTypeDatacenter), "ArtifactTypeModule": string(oci.ArtifactTypeModule),
		"MediaTypeComponentConfig": oci.MediaTypeComponentConfig, "MediaTypeComponentLayer": oci.MediaTypeComponentLayer,
		"MediaTypeDatacenterConfig": oci.MediaTypeDatacenterConfig, "MediaTypeDatacenterLayer": oci.MediaTypeDatacenterLayer,
		"MediaTypeModuleConfig": oci.MediaTypeModuleConfig, "MediaTypeModuleLayer": oci.MediaTypeModuleLayer,
	}
	seenTypes, seenConstants := 0, 0
	_, blocks := readmeBlocks(t)
	for _, block := range blocks {
		if !strings.HasPrefix(block, "type ") && !strings.HasPrefix(block, "const ") {
			continue
		}
		types, values := declarations(t, block)
		for name, fields := range types {
			seenTypes++
			for _, field := range fields {
				fieldName, want, _ := strings.Cut(field, " ")
				got, ok := ours[name].FieldByName(fieldName)
				text := strings.NewReplacer("uint8", "byte", "oci.", "").Replace(got.Type.String())
				if !ok || text != want {
					t.Errorf("%s.%s is %s, the README says %s", name, fieldName, text, want)
				}
			}
		}
		for name, want := range values {
			seenConstants++
			if constants[name] != want {
				t.Errorf("%s is %q, the README says %q", name, constants[name], want)
			}
		}
	}
	if seenTypes != len(ours) || seenConstants != len(constants) {
		t.Errorf("the README has %d types and %d constants, %d and %d were looked for", seenTypes, seenConstants, len(ours), len(constants))
	}
}

// What a block of the README takes as given.
const (
	given = `	ctx := context.Background()
	client := oci.NewClient()
	_, _ = ctx, client
`
	givenArtifact = `	artifact, err := client.BuildFromDirectory(ctx, "./my-component", oci.ArtifactTypeComponent, oci.ComponentConfig{SchemaVersion: "v1", Name: "my-component"})
	if err != nil {
		log.Fatal(err)
	}
	artifact.Reference = "ghcr.io/myorg/my-component:v1.0.0"
`
)

// TestReadmePrograms compiles and runs each other block, unchanged but for the registry's host, against a real
// registry, in the README's order.
func TestReadmePrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	host := realRegistry(t)
	directory := tree(t, map[string]string{"my-component/cld.yml": "name: x", "my-component/src/main.go": "package main"})
	before := map[string]string{
		"Building Artifacts": given, "Pushing Artifacts": given + givenArtifact + "	{\n", "Pulling Artifacts": given,
		"Checking Existence": given, "Tagging Artifacts": given,
	}
	after := map[string]string{
		"Creating a Client": "	_ = client\n", "Building Artifacts": "	fmt.Println(artifact.Reference)\n", "Pushing Artifacts": "	}\n",
		"Pulling Artifacts": "	fmt.Println(config.Name)\n", "Checking Existence": "	fmt.Println(exists)\n",
	}
	outputs := map[string]string{
		"Creating a Client":      ``,
		"Parsing References":     "ghcr.io\nmyorg/mycomponent\nv1.0.0\nghcr.io/myorg/mycomponent:v1.0.0\n",
		"Building Artifacts":     "ghcr.io/myorg/my-component:v1.0.0\n",
		"Pushing Artifacts":      "Pushed: ghcr.io/myorg/my-component:v1.0.0\nDigest: sha256:HEX\n",
		"Pulling Artifacts":      "my-component\n",
		"Checking Existence":     "Artifact exists\ntrue\n",
		"Tagging Artifacts":      ``,
		"Example: Full Workflow": ``,
	}
	hex := regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	headings, blocks := readmeBlocks(t)
	ran := 0
	for i, block := range blocks {
		heading := headings[i]
		want, ok := outputs[heading]
		if !ok {
			continue
		}
		ran++
		t.Run(heading, func(t *testing.T) {
			program := program(before[heading], block, after[heading])
			output := run(t, directory, strings.ReplaceAll(program, "ghcr.io", host))
			output = hex.ReplaceAllString(strings.ReplaceAll(output, host, "ghcr.io"), "sha256:HEX")
			if output != want {
				t.Errorf("got %q, want %q", output, want)
			}
		})
	}
	if ran != len(outputs) {
		t.Errorf("ran %d blocks, want %d", ran, len(outputs))
	}
	want := contents(t, filepath.Join(directory, "my-component"))
	for _, pulled := range []string{"output", "downloaded"} {
		if got := contents(t, filepath.Join(directory, pulled)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s holds %q, want %q", pulled, got, want)
		}
	}
}

var importStart = regexp.MustCompile(`(?m)^import (\(\n(?:.*\n)*?\)|".*")\n`)

// program makes a file of a block: its imports first, its statements in main unless it has one.
func program(before, block, after string) string {
	imports := importStart.FindString(block)
	rest := strings.TrimPrefix(block, imports)
	if !strings.Contains(rest, "func main()") {
		rest = "func main() {\n" + before + rest + after + "}\n"
	}
	text := "package main\n\n" + imports
	for _, name := range []string{"context", "encoding/json", "fmt", "log", "github.com/davidthor/cldctl/pkg/oci"} {
		if used := strings.Contains(rest, name[strings.LastIndex(name, "/")+1:]+"."); used && !strings.Contains(imports, `"`+name+`"`) {
			text += fmt.Sprintf("import %q\n", name)
		}
	}
	return text + "\n" + rest
}

// run builds a program as a package of this module and runs it in a directory.
func run(t *testing.T, directory, program string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	source, overlay, binary := filepath.Join(temporary, "main.go"), filepath.Join(temporary, "overlay.json"), filepath.Join(temporary, "program")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "readme_block", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{source: program, overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./readme_block")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, output, program)
	}
	command := exec.Command(binary)
	command.Dir = directory
	command.Env = append(os.Environ(), "CLDOCI_STORE="+filepath.Join(directory, "store"))
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, output, program)
	}
	return string(output)
}
