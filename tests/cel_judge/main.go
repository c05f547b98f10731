// Command celjudge evaluates expressions as a ValidatingAdmissionPolicy of the API server does:
// with the API server's own compiler, environment and value types.
//
// The first line of its input is the object as JSON; every other line is one expression as a JSON
// string. For each it answers with one line of JSON: {"refused": why} when it does not compile,
// {"error": why} when it has no value, {"value": ...} otherwise.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	admission "k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

type expression string

func (e expression) GetExpression() string    { return string(e) }
func (e expression) ReturnTypes() []*cel.Type { return []*cel.Type{cel.AnyType} }

type answer struct {
	Refused string `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
	Value   any    `json:"value,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	compiler, err := admission.NewCompositedCompiler(base)
	if err != nil {
		return err
	}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<24)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	if !input.Scan() {
		return fmt.Errorf("the first line must be the object")
	}
	var object map[string]any
	// The decoder of the API server: whole numbers are int64.
	if err := utiljson.Unmarshal(input.Bytes(), &object); err != nil {
		return err
	}
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	for input.Scan() {
		var source string
		if err := json.Unmarshal(input.Bytes(), &source); err != nil {
			return err
		}
		// Some would keep the API server busy for hours; they do not belong in the tables.
		timer := time.AfterFunc(20*time.Second, func() {
			fmt.Fprintln(os.Stderr, "no answer within 20 seconds:", source)
			os.Exit(1)
		})
		said := judge(compiler, object, source)
		timer.Stop()
		if err := encoder.Encode(said); err != nil {
			return err
		}
	}
	return input.Err()
}

func judge(compiler *admission.CompositedCompiler, object map[string]any, source string) (said answer) {
	// A request in which it panics is refused too.
	defer func() {
		if panicked := recover(); panicked != nil {
			said = answer{Refused: fmt.Sprint("panic: ", panicked)}
		}
	}()
	declared := admission.OptionalVariableDeclarations{HasAuthorizer: true}
	result := compiler.CompileCELExpression(expression(source), declared, environment.NewExpressions)
	if result.Error != nil {
		return answer{Refused: result.Error.Error()}
	}
	value, _, err := result.Program.ContextEval(context.Background(), map[string]any{
		"object":    object,
		"oldObject": nil,
	})
	if err != nil {
		return answer{Error: err.Error()}
	}
	rendered, err := render(value)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Value: rendered}
}

// render writes a value with its type, so that what is equal prints equal and nothing else does.
func render(value ref.Val) (any, error) {
	tagged := func(tag string, content any) (any, error) { return map[string]any{tag: content}, nil }
	switch v := value.(type) {
	case *types.Err:
		return nil, v
	case types.Null:
		return tagged("null", true)
	case types.Bool:
		return tagged("bool", bool(v))
	case types.Int:
		return tagged("int", strconv.FormatInt(int64(v), 10))
	case types.Uint:
		return tagged("uint", strconv.FormatUint(uint64(v), 10))
	case types.Double:
		if math.IsNaN(float64(v)) {
			return tagged("double", "NaN")
		}
		return tagged("double", strconv.FormatUint(math.Float64bits(float64(v)), 16))
	case types.String:
		return tagged("string", string(v))
	case types.Bytes:
		return tagged("bytes", hex.EncodeToString(v))
	case types.Timestamp:
		return tagged("timestamp", fmt.Sprintf("%d.%09d", v.Unix(), v.Nanosecond()))
	case types.Duration:
		return tagged("duration", strconv.FormatInt(int64(v.Duration), 10))
	case *types.Optional:
		if !v.HasValue() {
			return tagged("optional", []any{})
		}
		content, err := render(v.GetValue())
		if err != nil {
			return nil, err
		}
		return tagged("optional", []any{content})
	case *types.Type:
		return tagged("type", v.TypeName())
	case apiservercel.Quantity:
		return tagged("quantity", decimal(v))
	case *apiservercel.Quantity:
		return tagged("quantity", decimal(*v))
	case apiservercel.IP:
		return tagged("ip", v.Addr.String())
	case apiservercel.CIDR:
		return tagged("cidr", v.Prefix.String())
	case traits.Mapper:
		return renderMap(v)
	case traits.Lister:
		return renderList(v)
	}
	return tagged("other", value.Type().TypeName())
}

// decimal is a quantity without trailing zeros: digits and an exponent of ten.
func decimal(quantity apiservercel.Quantity) string {
	copied := quantity.DeepCopy()
	number := copied.AsDec()
	digits, exponent := number.UnscaledBig().String(), -int(number.Scale())
	for len(digits) > 1 && digits[len(digits)-1] == '0' {
		digits, exponent = digits[:len(digits)-1], exponent+1
	}
	if digits == "0" {
		exponent = 0
	}
	return fmt.Sprintf("%se%d", digits, exponent)
}

func renderList(list traits.Lister) (any, error) {
	items := []any{}
	for iterator := list.Iterator(); iterator.HasNext() == types.True; {
		item, err := render(iterator.Next())
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return map[string]any{"list": items}, nil
}

func renderMap(mapper traits.Mapper) (any, error) {
	entries := map[string]any{}
	keys := []string{}
	for iterator := mapper.Iterator(); iterator.HasNext() == types.True; {
		key := iterator.Next()
		rendered, err := render(key)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(rendered)
		if err != nil {
			return nil, err
		}
		value, err := render(mapper.Get(key))
		if err != nil {
			return nil, err
		}
		entries[string(text)] = []any{rendered, value}
		keys = append(keys, string(text))
	}
	sort.Strings(keys)
	sorted := []any{}
	for _, key := range keys {
		sorted = append(sorted, entries[key])
	}
	return map[string]any{"map": sorted}, nil
}
