package oci

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// holder holds a client in every way that a caller's structure may.
type holder struct {
	Public  *Client
	private *Client
	Value   Client
	value   Client
	Option  Option
}

// TestNothingPrintsASecret, whatever the verb and whoever holds the client.
func TestNothingPrintsASecret(t *testing.T) {
	options := []Option{
		WithCredentials("ghcr.io", "user", "hunter2"), WithIdentityToken("ghcr.io", "hunter2"), WithRegistryToken("ghcr.io", "hunter2"),
		WithHeader("ghcr.io", "X-Key", "hunter2"), WithProxy("http://user:hunter2@proxy:1"), WithOption("unknown", "hunter2"),
	}
	client := NewClient(options...)
	held := holder{Public: client, private: client, Value: *client, value: *client, Option: options[0]}
	credential := Credential{Username: "user", Password: "hunter2", IdentityToken: "hunter2", RegistryToken: "hunter2"}
	for _, value := range []any{client, *client, held, &held, []*Client{client}, map[string]any{"client": client}, credential, &credential} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
				t.Errorf("%s of a %T: %s", verb, value, text)
			}
		}
		if seen := reflected(reflect.ValueOf(value), 0); strings.Contains(seen, "hunter2") && reflect.TypeOf(value) != reflect.TypeFor[Credential]() && reflect.TypeOf(value) != reflect.TypeFor[*Credential]() {
			t.Errorf("what goes through a %T sees it: %s", value, seen)
		}
	}
	if text, err := json.Marshal(map[string]any{"client": client, "value": *client}); err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("JSON: %s, %v", text, err)
	}
	if !strings.Contains(reflected(reflect.ValueOf(credential), 0), "hunter2") {
		t.Error("what goes through structures sees nothing")
	}
}

// reflected gives every string that can be reached, as a test's diff reaches them: through pointers and private fields.
func reflected(value reflect.Value, depth int) string {
	if depth > 12 {
		return ""
	}
	var seen []string
	switch value.Kind() {
	case reflect.String:
		return value.String()
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			return reflected(value.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			seen = append(seen, reflected(value.Field(i), depth+1))
		}
	case reflect.Slice, reflect.Array:
		for i := range value.Len() {
			seen = append(seen, reflected(value.Index(i), depth+1))
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			seen = append(seen, reflected(key, depth+1), reflected(value.MapIndex(key), depth+1))
		}
	}
	return strings.Join(seen, " ")
}
