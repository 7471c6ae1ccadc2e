package schemas_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pawl/schemas"
)

func TestMemoryLevels(t *testing.T) {
	const (
		v1     = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
		wider  = `{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}`
		widest = `{"type":"record","name":"R","fields":[{"name":"a","type":"double"}]}`
		added  = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},
			{"name":"b","type":"int"}]}`
		optional = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},
			{"name":"b","type":"int","default":0}]}`
		text = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`
	)
	for _, tc := range []struct {
		level  string
		before []string
		next   string
		ok     bool
	}{
		{"BACKWARD", []string{v1}, wider, true},
		{"BACKWARD", []string{v1}, added, false},
		{"BACKWARD", []string{v1}, optional, true},
		{"FORWARD", []string{v1}, wider, false},
		{"FORWARD", []string{v1}, added, true},
		{"FULL", []string{v1}, added, false},
		{"FULL", []string{v1}, optional, true},
		{"NONE", []string{v1}, text, true},
		{"BACKWARD", []string{text, v1}, wider, true},
		{"BACKWARD_TRANSITIVE", []string{text, v1}, wider, false},
		{"BACKWARD_TRANSITIVE", []string{v1, wider}, widest, true},
		{"FORWARD_TRANSITIVE", []string{text, v1}, added, false},
		{"FULL_TRANSITIVE", []string{v1}, optional, true},
	} {
		m := schemas.NewMemory()
		if err := m.SetLevel("s", "NONE"); err != nil {
			t.Fatal(err)
		}
		for _, schema := range tc.before {
			if _, err := m.Register(t.Context(), "s", schema); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.SetLevel("s", tc.level); err != nil {
			t.Fatal(err)
		}
		reasons, err := m.Check("s", tc.next, 0)
		if err != nil || (len(reasons) == 0) != tc.ok {
			t.Errorf("%s after %d versions: check says %v, %v; want ok=%v", tc.level,
				len(tc.before), reasons, err, tc.ok)
		}
		_, err = m.Register(t.Context(), "s", tc.next)
		var refused *schemas.IncompatibleError
		if errors.As(err, &refused) == tc.ok || err != nil && refused == nil {
			t.Errorf("%s after %d versions: register says %v; want ok=%v", tc.level,
				len(tc.before), err, tc.ok)
		}
	}
	if schemas.NewMemory().SetLevel("", "NONE_TRANSITIVE") == nil {
		t.Error("an unknown level was taken")
	}
}

func TestMemoryIDsAndVersions(t *testing.T) {
	m, ctx := schemas.NewMemory(), t.Context()
	a, _ := m.Register(ctx, "a", `"int"`)
	b, _ := m.Register(ctx, "b", ` {"type":"int"} `)
	if a != b || a == 0 {
		t.Errorf("the same schema has ids %d and %d", a, b)
	}
	second, err := m.Register(ctx, "a", `"long"`)
	if err != nil || second == a {
		t.Errorf("another schema has id %d, %v", second, err)
	}
	if _, err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Lookup(ctx, "a", `"int"`); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("look-up under a deleted subject: %v", err)
	}
	if text, err := m.Schema(ctx, second); err != nil || text != `"long"` {
		t.Errorf("data of a deleted subject lost its schema: %s, %v", text, err)
	}
	if _, err := m.Register(ctx, "a", `"string"`); err != nil {
		t.Fatal(err)
	}
	versions := m.Versions("a")
	if len(versions) != 1 || versions[0].Number != 3 || versions[0].ID == second {
		t.Errorf("after the deletion: %+v; want version 3 with a new id", versions)
	}
	if _, err := m.Schema(ctx, 99); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := m.Delete("none"); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("unknown subject: %v", err)
	}
	if _, err := m.Check("a", `"int"`, 9); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("unknown version: %v", err)
	}
}

func TestMemorySurvivesJSON(t *testing.T) {
	m, ctx := schemas.NewMemory(), t.Context()
	for _, schema := range []string{`"int"`, `"long"`} {
		if _, err := m.Register(ctx, "s", schema); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(m.SetLevel("", "FULL"), m.SetLevel("s", "NONE")); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again := schemas.NewMemory()
	if err := json.Unmarshal(data, again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Versions("s"), m.Versions("s")) {
		t.Errorf("read %+v; wrote %+v", again.Versions("s"), m.Versions("s"))
	}
	if level, own := again.Level("s"); level != "NONE" || !own {
		t.Errorf("level %s, %v", level, own)
	}
	if level, own := again.Level("other"); level != "FULL" || own {
		t.Errorf("level %s, %v", level, own)
	}
	for _, bad := range []string{`[]`, `{"level":"SOME"}`, `{"subjects":{"s":{"versions":{"1":1}}}}`} {
		if err := json.Unmarshal([]byte(bad), schemas.NewMemory()); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestMemoryConcurrently(t *testing.T) {
	m := schemas.NewMemory()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				subject := fmt.Sprintf("s%d", j)
				id, err := m.Register(t.Context(), subject, `"int"`)
				if err != nil || id != 1 {
					t.Errorf("register: %d, %v", id, err)
				}
				m.Subjects()
				if _, err := m.Lookup(t.Context(), subject, `"int"`); err != nil || i < 0 {
					t.Errorf("look up: %v", err)
				}
			}
		})
	}
	group.Wait()
	if n := len(m.Subjects()); n != 50 || len(m.Versions("s0")) != 1 {
		t.Errorf("%d subjects, versions %v", n, m.Versions("s0"))
	}
}

func TestBind(t *testing.T) {
	m, ctx := schemas.NewMemory(), t.Context()
	r := schemas.NewResolver(m)
	_, err := schemas.Bind(ctx, m, r, "s-value", `"int"`, false)
	if !errors.Is(err, schemas.ErrNotFound) || !strings.Contains(err.Error(), "s-value") ||
		!strings.Contains(err.Error(), "pawl schemas register") {
		t.Errorf("not registered: %v", err)
	}
	id, err := schemas.Bind(ctx, m, r, "s-value", `"int"`, true)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := schemas.Bind(ctx, m, r, "s-value", `"int"`, false); err != nil || again != id {
		t.Errorf("registered: %d, %v", again, err)
	}
	if _, ok := r.Cached(id); !ok {
		t.Error("the resolver does not know the schema")
	}
	var refused *schemas.IncompatibleError
	if _, err := schemas.Bind(ctx, m, r, "s-value", `"string"`, true); !errors.As(err, &refused) {
		t.Errorf("incompatible: %v", err)
	}
}
