// Command published says what published Go modules say, for tests that compare with it: of pods, what
// Pod Security admission refuses at every level and version; of image references, their parts. It
// reads one JSON value a line and answers each with a line.
package main

import (
	// As in every container runtime: a digest is known only where its algorithm is linked in.
	"bufio"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

const newest = 37

func main() {
	answers := map[string]func(json.RawMessage) (any, error){"images": image}
	if len(os.Args) == 2 && os.Args[1] == "pods" {
		evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
		if err != nil {
			fail(err)
		}
		answers["pods"] = func(line json.RawMessage) (any, error) { return pod(evaluator, line) }
	}
	if len(os.Args) != 2 || answers[os.Args[1]] == nil {
		fail(errors.New("usage: published pods|images"))
	}
	if err := run(os.Stdin, os.Stdout, answers[os.Args[1]]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "published:", err)
	os.Exit(1)
}

func run(in io.Reader, out io.Writer, answer func(json.RawMessage) (any, error)) error {
	buffered := bufio.NewWriter(out)
	questions, answers := json.NewDecoder(in), json.NewEncoder(buffered)
	for {
		var line json.RawMessage
		if err := questions.Decode(&line); errors.Is(err, io.EOF) {
			return buffered.Flush()
		} else if err != nil {
			return err
		}
		said, err := answer(line)
		if err != nil {
			return err
		}
		if err := answers.Encode(said); err != nil {
			return err
		}
	}
}

// pod gives the reasons to refuse a pod: by level, then by minor from 0 on.
func pod(evaluator policy.Evaluator, line json.RawMessage) (any, error) {
	var pod corev1.Pod
	if err := json.Unmarshal(line, &pod); err != nil {
		return nil, err
	}
	said := map[api.Level][][]string{}
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		for minor := 0; minor <= newest; minor++ {
			asked := api.LevelVersion{Level: level, Version: api.MajorMinorVersion(1, minor)}
			results := evaluator.EvaluatePod(asked, &pod.ObjectMeta, &pod.Spec)
			said[level] = append(said[level], policy.AggregateCheckResults(results).ForbiddenReasons)
		}
	}
	return said, nil
}

// image gives the domain, path, tag and digest of a reference, or null for what is none.
func image(line json.RawMessage) (any, error) {
	var text string
	if err := json.Unmarshal(line, &text); err != nil {
		return nil, err
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return nil, nil
	}
	parts := []string{reference.Domain(named), reference.Path(named), "", ""}
	if tagged, ok := named.(reference.Tagged); ok {
		parts[2] = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		parts[3] = digested.Digest().String()
	}
	return parts, nil
}
