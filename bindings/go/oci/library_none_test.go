//go:build !cgo || !linux || cldoci_none

package oci

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestEveryCallIsUnsupported where there is no library: with one line, whatever the method.
func TestEveryCallIsUnsupported(t *testing.T) {
	if _, err := New(); !errors.Is(err, ErrUnsupported) {
		t.Errorf("New: %v", err)
	}
	if _, err := ParseReference("nginx"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("ParseReference: %v", err)
	}
	if Version() != "" || Options() != nil {
		t.Errorf("there is a library: %s, %v", Version(), Options())
	}
	given := map[reflect.Type]reflect.Value{}
	for _, value := range []any{&Artifact{}, &Layer{source: &layerSource{}}, ComponentConfig{}} {
		given[reflect.TypeOf(value)] = reflect.ValueOf(value)
	}
	called, client := 0, reflect.ValueOf(NewClient(WithoutStore()))
	for i := range client.NumMethod() {
		method, name := client.Method(i), client.Type().Method(i).Name
		kind := method.Type()
		if name == "Format" {
			continue
		}
		var arguments []reflect.Value
		for k := range kind.NumIn() {
			in := kind.In(k)
			switch value, ok := given[in]; {
			case kind.IsVariadic() && k == kind.NumIn()-1:
			case ok:
				arguments = append(arguments, value)
			case in == reflect.TypeFor[context.Context]():
				arguments = append(arguments, reflect.ValueOf(context.Background()))
			default:
				arguments = append(arguments, reflect.Zero(in))
			}
		}
		results := method.Call(arguments)
		if name == "OpenLayer" {
			reader := results[0].Interface().(interface{ Read([]byte) (int, error) })
			_, err := reader.Read(make([]byte, 1))
			results[1] = reflect.ValueOf(&err).Elem()
		}
		err, _ := results[len(results)-1].Interface().(error)
		if !errors.Is(err, ErrUnsupported) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "cgo") {
			t.Errorf("%s: %v", name, err)
		}
		called++
	}
	if called < 20 {
		t.Errorf("only %d methods were called", called)
	}
}

// TestWhatNeedsNoLibrary works.
func TestWhatNeedsNoLibrary(t *testing.T) {
	if got := (&Reference{Registry: "ghcr.io", Repository: "org/app", Tag: "v1"}).String(); got != "ghcr.io/org/app:v1" {
		t.Errorf("got %s", got)
	}
	if got := (&Layer{MediaType: "a/b", Digest: "sha256:0", Size: 3}).Descriptor(); got.Size != 3 || got.MediaType != "a/b" {
		t.Errorf("got %+v", got)
	}
}
