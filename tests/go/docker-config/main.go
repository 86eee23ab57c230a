// What docker's own library makes of a configuration: the credential that it has for each server.
//
//	docker-config DIRECTORY SERVER...
//
// prints one JSON object a line, in order.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/sirupsen/logrus"
)

type answer struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
	Failed        bool   `json:"failed"`
}

func ask(directory, server string) answer {
	file, err := config.Load(directory)
	if err != nil {
		return answer{Failed: true}
	}
	found, err := file.GetAuthConfig(server)
	if err != nil {
		return answer{Failed: true}
	}
	return answer{found.Username, found.Password, found.IdentityToken, found.RegistryToken, false}
}

func main() {
	logrus.SetOutput(io.Discard)
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: docker-config DIRECTORY SERVER...")
		os.Exit(2)
	}
	out := json.NewEncoder(os.Stdout)
	for _, server := range os.Args[2:] {
		if err := out.Encode(ask(os.Args[1], server)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
