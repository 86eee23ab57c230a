// The module of cldctl's `pkg` directory, so that the package has the import path it has there: the tests and
// the programs of the package's README compile unchanged. `oci/` itself holds no module file and imports only
// the standard library, so the directory can be copied over cldctl's `pkg/oci` (or any other package) as it is.
module github.com/davidthor/cldctl/pkg

go 1.24
