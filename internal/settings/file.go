package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An entry is one value as its source gave it.
type entry struct {
	key, value, source string
}

// readFile lists the scalars of a YAML file under their dotted names, with their lines.
func readFile(path string, environ map[string]string) ([]entry, Faults) {
	source := "file " + path
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, Faults{{Source: source, What: fmt.Sprintf(
			"cannot be read: %v; give an existing file with --config", pathless(err))}}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil // an empty file sets nothing
	} else if err != nil {
		return nil, Faults{{Source: source, What: fmt.Sprintf(
			"is not YAML: %v; write one `name: value` a line", err)}}
	}
	w := &fileWalk{path: path, environ: environ}
	w.walk("", doc.Content[0])
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		w.fault("", "", more.Line, "has a second YAML document; keep one")
	}
	return w.entries, w.faults
}

func pathless(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

type fileWalk struct {
	path    string
	environ map[string]string
	entries []entry
	faults  Faults
}

func (w *fileWalk) source(line int) string {
	return fmt.Sprintf("file %s:%d", w.path, line)
}

func (w *fileWalk) fault(key, value string, line int, what string) {
	value = mask(Setting{Name: key}, value)
	w.faults = append(w.faults, &Fault{Key: key, Value: value, Source: w.source(line), What: what})
}

func (w *fileWalk) walk(prefix string, n *yaml.Node) {
	switch n.Kind {
	case yaml.AliasNode:
		if n.Alias.Kind != yaml.ScalarNode { // it might contain itself
			w.fault(prefix, "*"+n.Value, n.Line, "stands for more than a plain value; write it out")
			return
		}
		w.add(prefix, n.Alias.Value, n.Line)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if prefix != "" {
				key = prefix + "." + key
			}
			w.walk(key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		var parts []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				w.fault(prefix, "", item.Line,
					"is a list of more than plain values; write plain ones")
				return
			}
			parts = append(parts, item.Value)
		}
		w.add(prefix, strings.Join(parts, ","), n.Line)
	case yaml.ScalarNode:
		w.scalar(prefix, n)
	}
}

func (w *fileWalk) scalar(key string, n *yaml.Node) {
	switch {
	case key == "" && n.Tag == "!!null":
		return // comments only
	case key == "":
		w.fault("", "", n.Line, "is not a map; write one `name: value` a line")
	case n.Tag == "!!null":
		w.add(key, "", n.Line)
	default:
		w.add(key, n.Value, n.Line)
	}
}

func (w *fileWalk) add(key, value string, line int) {
	if key == "" {
		w.fault("", "", line, "is not a map; write one `name: value` a line")
		return
	}
	filled, err := expand(value, w.environ)
	if err != nil {
		w.fault(key, value, line, err.Error())
		return
	}
	w.entries = append(w.entries, entry{key: key, value: filled, source: w.source(line)})
}
