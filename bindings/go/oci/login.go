//go:build cgo && linux

package oci

/*
#include <cldoci.h>
*/
import "C"

import "context"

// Login tries a user name and a password (or an access token) at a registry, "ghcr.io" or "localhost:5000", and
// keeps them where docker would: in the credential helper that its configuration names, else in its file. The
// result's CredentialSource says where.
func (c *Client) Login(ctx context.Context, registry, username, password string, options ...Option) (*Result, error) {
	v := c.verb(registry, failedTo("log in"), options)
	var texts [3]*C.char
	for i, text := range []struct{ what, text string }{{"the registry", registry}, {"the user name", username}, {"the password", password}} {
		made, err := newString(text.what, text.text)
		if err != nil {
			return nil, v.failed(ctx, err)
		}
		defer freeString(made)
		texts[i] = made
	}
	result, err := v.run(ctx, func(in *entry) C.cldoci_status {
		return C.cldoci_login_start(in.client, texts[0], texts[1], texts[2], in.options, &in.operation, &in.object)
	})
	if err != nil {
		return nil, err
	}
	defer C.cldoci_result_free(result)
	return resultOf(result), nil
}

// Logout removes a registry's credential from where docker keeps it, and says whether there was one.
func (c *Client) Logout(ctx context.Context, registry string, options ...Option) (bool, error) {
	v := c.verb(registry, failedTo("log out"), options)
	text, err := newString("the registry", registry)
	if err != nil {
		return false, v.failed(ctx, err)
	}
	defer freeString(text)
	result, err := v.run(ctx, func(in *entry) C.cldoci_status {
		return C.cldoci_logout_start(in.client, text, in.options, &in.operation, &in.object)
	})
	if err != nil {
		return false, err
	}
	defer C.cldoci_result_free(result)
	return C.cldoci_result_exists(result) == 1, nil
}
