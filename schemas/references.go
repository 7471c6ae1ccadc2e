package schemas

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/riferrei/srclient"
)

// referencesMax bounds how many other versions one schema may be made of.
const referencesMax = 100

// version makes one attempt to get a version of a subject.
func (c *client) version(ctx context.Context, subject string, number int) (*srclient.Schema,
	error) {
	return attempt(ctx, c, func(sr *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
		return sr.GetSchemaByVersion(subject, number)
	})
}

// whole returns the text of a schema with the types that it refers to in other subjects written out
// where they are first named, so that nobody else has to ask for them.
func (c *client) whole(ctx context.Context, schema *srclient.Schema) (string, error) {
	if len(schema.References()) == 0 {
		return schema.Schema(), nil
	}
	types := make(map[string]any)
	if err := c.gather(ctx, schema, types, make(map[srclient.Reference]bool)); err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal([]byte(schema.Schema()), &tree); err != nil {
		return "", fmt.Errorf("schema id %d is no JSON: %w", schema.ID(), err)
	}
	text, err := json.Marshal((&inliner{types: types}).schema(tree, ""))
	return string(text), err
}

// gather collects the definitions that a schema refers to, and those that these refer to, by full
// name.
func (c *client) gather(ctx context.Context, schema *srclient.Schema, types map[string]any,
	seen map[srclient.Reference]bool) error {
	for _, ref := range schema.References() {
		if seen[ref] {
			continue
		}
		if seen[ref] = true; len(seen) > referencesMax {
			return fmt.Errorf("schema id %d refers to more than %d versions", schema.ID(),
				referencesMax)
		}
		found, err := c.version(ctx, ref.Subject, ref.Version)
		if err != nil {
			return fmt.Errorf("reference to %s, version %d of subject %s: %w", ref.Name,
				ref.Version, ref.Subject, err)
		}
		var tree any
		if err := json.Unmarshal([]byte(found.Schema()), &tree); err != nil {
			return fmt.Errorf("version %d of subject %s is no JSON: %w", ref.Version, ref.Subject,
				err)
		}
		if m, ok := tree.(map[string]any); ok {
			types[fullName(m, "")] = tree
		}
		if err := c.gather(ctx, found, types, seen); err != nil {
			return err
		}
	}
	return nil
}

// inliner writes definitions out where they are first named.
type inliner struct {
	types map[string]any // not yet written out
}

// schema returns a schema, as JSON, whose names are relative to space.
func (in *inliner) schema(node any, space string) any {
	switch n := node.(type) {
	case string:
		name := n
		if _, ok := in.types[name]; !ok && space != "" && !strings.Contains(n, ".") {
			name = space + "." + n
		}
		if found, ok := in.types[name]; ok {
			delete(in.types, name)
			return in.schema(found, "")
		}
		return n
	case []any:
		branches := make([]any, len(n))
		for i, branch := range n {
			branches[i] = in.schema(branch, space)
		}
		return branches
	case map[string]any:
		return in.object(n, space)
	}
	return node
}

// object returns a schema that is written as an object.
func (in *inliner) object(n map[string]any, space string) any {
	name := fullName(n, space)
	inner := space
	if name != "" {
		inner = name[:max(strings.LastIndex(name, "."), 0)]
	}
	out := make(map[string]any, len(n)+2)
	for key, value := range n {
		out[key] = value
	}
	if name != "" {
		delete(out, "namespace")
		out["name"] = name // wherever it is put, it is called that
	}
	for _, key := range []string{"items", "values", "type"} {
		if value, ok := n[key]; ok {
			out[key] = in.schema(value, inner)
		}
	}
	if fields, ok := n["fields"].([]any); ok {
		all := make([]any, len(fields))
		for i, f := range fields {
			all[i] = f
			if field, ok := f.(map[string]any); ok {
				all[i] = in.field(field, inner)
			}
		}
		out["fields"] = all
	}
	return out
}

// field returns a field of a record, which has a name but names no type.
func (in *inliner) field(n map[string]any, space string) any {
	out := make(map[string]any, len(n))
	for key, value := range n {
		out[key] = value
	}
	out["type"] = in.schema(n["type"], space)
	return out
}

// fullName returns the full name of a record, enum or fixed, "" for other schemas.
func fullName(n map[string]any, space string) string {
	name, _ := n["name"].(string)
	if own, ok := n["namespace"].(string); ok {
		space = own
	}
	if name == "" || space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}
