// Package oci builds directories into OCI artifacts and pushes, pulls, tags and checks them on OCI registries
// and in local image layouts. It is the Go interface of the cldoci library, and takes the place of cldctl's own
// package of this name: a program written for that one compiles and behaves the same, but for faults that are
// mended (docs/migrating-from-pkg-oci.md).
//
// A client is cheap, safe for concurrent use and needs no closing: clients with the same options share one
// engine with its connections and tokens, which goes when the last of them does.
//
//	client := oci.NewClient()
//	artifact, err := client.BuildFromDirectory(ctx, "./api", oci.ArtifactTypeComponent, oci.ComponentConfig{
//		SchemaVersion: "v1",
//	})
//	artifact.Reference = "ghcr.io/myorg/api:v1.0.0"
//	err = client.Push(ctx, artifact)
//
// Every method takes a reference as text: a registry's, such as "ghcr.io/org/app:v1" or
// "localhost:5000/app@sha256:…", or a local OCI image layout, "ocidir://PATH[:TAG][@DIGEST]", which needs no
// server.
//
// # Contexts
//
// A context that ends cancels the call, which returns once its work has stopped; errors.Is then finds the
// context's error and its cause. A context's deadline is also the call's own: waits that a registry asks for and that don't
// fit in it fail at once.
//
// # Errors
//
// What fails is an *[Error] with a [Code]; errors.Is tells the common ones by [ErrNotFound], [ErrUnauthorized]
// and so on, and finds the system's error number (syscall.ENOSPC, fs.ErrPermission) where there was one.
//
// # Credentials
//
// What `docker login` and `podman login` left is used, credential helpers included; [WithCredentials] and its
// siblings give others, [WithCredentialFunc] asks a function, and [Client.Login] does what `docker login` does.
//
// # Transport
//
// Requests are the library's own: there is no http.Client or RoundTripper to replace. [WithProxy], [WithCAFile],
// [WithHeader] and their siblings say what they need; a test points a reference at a server of its own.
//
// # Linking
//
// The package compiles everywhere. Where the program has no library (another system than Linux, CGO_ENABLED=0, or the
// build tag cldoci_none) every call is [ErrUnsupported]. Else the library is linked as the build tags say:
//
//	(none)          the installed library, found by pkg-config under the name "cldoci"
//	cldoci_static   its archive
//	cldoci_bundled  the archive that `go run ./pkg/oci/internal/bundle cldoci-VERSION-TARGET.tar.gz` put into the
//	                package's directory lib; with cldoci_musl the one for musl
package oci
