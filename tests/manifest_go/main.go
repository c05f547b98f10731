// Reads manifests as kubectl does, and says what it makes of each: standard input is a JSON list of
// files as text; standard output is a list with, for each file, its documents in order as
// {"object": ...} or {"error": "..."}; an error is the last, as kubectl stops there.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type document struct {
	Object json.RawMessage `json:"object,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// As the visitors of k8s.io/cli-runtime read a stream.
func read(file string) []document {
	documents := []document{}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(file), 4096)
	for {
		raw := runtime.RawExtension{}
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return documents
		}
		if err != nil {
			return append(documents, document{Error: err.Error()})
		}
		if text := strings.TrimSpace(string(raw.Raw)); text != "" && text != "null" {
			documents = append(documents, document{Object: json.RawMessage(text)})
		}
	}
}

func main() {
	var files []string
	if err := json.NewDecoder(bufio.NewReader(os.Stdin)).Decode(&files); err != nil {
		fmt.Fprintln(os.Stderr, "standard input is not a JSON list of strings:", err)
		os.Exit(1)
	}
	results := make([][]document, 0, len(files))
	for _, file := range files {
		results = append(results, read(file))
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
