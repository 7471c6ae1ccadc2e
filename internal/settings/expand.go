package settings

import (
	"fmt"
	"strings"
)

// expand replaces ${VAR} and ${VAR:default} by the environment's value. $${ stands for ${ itself.
func expand(value string, environ map[string]string) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(value, "${")
		if !found {
			out.WriteString(value)
			return out.String(), nil
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(literal + "${")
			value = after
			continue
		}
		inner, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("has ${ without }; close it, or write $${ for a plain ${")
		}
		name, def, hasDefault := strings.Cut(inner, ":")
		filled, set := environ[name]
		switch {
		case set:
		case hasDefault:
			filled = def
		default:
			return "", fmt.Errorf("needs the environment variable %s, which is not set; "+
				"set it or write ${%s:default}", name, name)
		}
		out.WriteString(before + filled)
		value = rest
	}
}
