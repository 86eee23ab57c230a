module cldoci.test/docker-config

go 1.24.0

require (
	github.com/docker/cli v29.0.3+incompatible
	github.com/sirupsen/logrus v1.10.2
)

require (
	github.com/docker/docker-credential-helpers v0.9.12 // indirect
	golang.org/x/sys v0.20.0 // indirect
	gotest.tools/v3 v3.5.2 // indirect
)
