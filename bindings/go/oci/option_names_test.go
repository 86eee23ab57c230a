//go:build cgo && linux && !cldoci_none

package oci

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOptionsAreThoseOfTheLibrary: each option that a function here names is in the library's table, where the
// function thinks it is, and so is each word of a choice.
func TestOptionsAreThoseOfTheLibrary(t *testing.T) {
	byName := map[string]OptionInfo{}
	for _, option := range Options() {
		byName[option.Name] = option
	}
	file, err := parser.ParseFile(token.NewFileSet(), "option.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := func(expression ast.Expr) string {
		literal, ok := expression.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return ""
		}
		text, _ := strconv.Unquote(literal.Value)
		return text
	}
	// Which argument of each is the name, and what the table must say of it.
	doors := map[string]struct {
		at  int
		fit func(OptionInfo) bool
	}{
		"WithOption":     {0, func(option OptionInfo) bool { return option.Scope != "host" }},
		"boolean":        {0, func(option OptionInfo) bool { return option.Scope != "host" && option.Type == "bool" }},
		"pair":           {0, func(option OptionInfo) bool { return option.Scope != "host" && option.Type == "pairs" }},
		"WithHostOption": {1, func(option OptionInfo) bool { return option.Scope == "host" }},
	}
	named, words := 0, 0
	capital := regexp.MustCompile("([a-z])([A-Z])")
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			function, ok := node.Fun.(*ast.Ident)
			if !ok {
				break
			}
			door, ok := doors[function.Name]
			if !ok || text(node.Args[door.at]) == "" {
				break
			}
			name := text(node.Args[door.at])
			if option, known := byName[name]; !known || !door.fit(option) {
				t.Errorf("%s of %q, which the library has as %+v", function.Name, name, option)
			}
			named++
		case *ast.ValueSpec:
			kind, ok := node.Type.(*ast.Ident)
			if !ok || len(node.Values) == 0 || text(node.Values[0]) == "" {
				break
			}
			name := strings.ToLower(capital.ReplaceAllString(kind.Name, "${1}_${2}"))
			values := strings.Split(byName[name].Values, ", ")
			if word := text(node.Values[0]); !slices.Contains(values, word) {
				t.Errorf("option %s has no word %q: %v", name, word, values)
			}
			words++
		}
		return true
	})
	if named < 25 || words < 8 {
		t.Errorf("found %d options and %d words", named, words)
	}
}
