module imagespec

go 1.24

require (
	github.com/davidthor/cldctl/pkg v0.0.0
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
)

replace github.com/davidthor/cldctl/pkg => ../../../bindings/go
