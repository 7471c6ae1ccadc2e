package schematest_test

import (
	"fmt"
	"strings"
	"testing"

	"pawl/internal/schematest"
	"pawl/schemas"
)

// teller keeps what a check says.
type teller struct {
	testing.TB
	said []string
}

func (t *teller) Helper()           {}
func (t *teller) Error(args ...any) { t.said = append(t.said, fmt.Sprint(args...)) }
func (t *teller) Errorf(format string, args ...any) {
	t.said = append(t.said, fmt.Sprintf(format, args...))
}

type sound struct {
	Text string `avro:"text"`
	Kind string `avro:"kind"`
}

// narrow loses what does not fit a float.
type narrow struct {
	Value float64 `avro:"value"`
}

const (
	soundSchema = `{"type":"record","name":"S","fields":[{"name":"text","type":"string"},
		{"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}}]}`
	narrowSchema = `{"type":"record","name":"N","fields":[{"name":"value","type":"float"}]}`
)

// TestChecksBite gives the checks what is sound and what is not.
func TestChecksBite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check func(t testing.TB)
		want  string // "" when it is sound
	}{
		"sound": {func(t testing.TB) {
			typ := schemas.Avro[sound](soundSchema)
			schematest.RoundTrip(t, typ, schematest.Enum{Field: "Kind", Symbol: "B"})
			schematest.Named(t, typ, "S")
		}, ""},
		"no such field": {func(t testing.TB) {
			schematest.RoundTrip(t, schemas.Avro[narrow](soundSchema))
		}, "text"},
		"narrow": {func(t testing.TB) {
			schematest.RoundTrip(t, schemas.Avro[narrow](narrowSchema))
		}, "value"},
		"other name": {func(t testing.TB) {
			schematest.Named(t, schemas.Avro[sound](soundSchema), "T")
		}, "schema is named S, want T"},
	} {
		told := &teller{TB: t}
		c.check(told)
		text := strings.Join(told.said, "\n")
		if (c.want == "") != (text == "") || !strings.Contains(strings.ToLower(text), c.want) &&
			!strings.Contains(text, c.want) {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}
