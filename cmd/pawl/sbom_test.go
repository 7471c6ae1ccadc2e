package main

import (
	"encoding/json"
	"runtime/debug"
	"testing"
)

// TestMaterials lists each module once, as it is after replacements, with the hash of go.sum.
func TestMaterials(t *testing.T) {
	t.Parallel()
	got := materials(&debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Path: "pawl"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "-tags"}},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v2.0.0+incompatible", Sum: "h1:AAEC"},
			{Path: "example.com/b", Version: "v1.0.0",
				Replace: &debug.Module{Path: "example.com/c", Version: "v1.1.0"}},
		}}, "v0.1.0")
	text, err := json.Marshal(got)
	const want = `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{"component":` +
		`{"type":"application","bom-ref":"pkg:golang/pawl@v0.1.0","name":"pawl",` +
		`"version":"v0.1.0","purl":"pkg:golang/pawl@v0.1.0"},` +
		`"properties":[{"name":"vcs.revision","value":"abc"}]},"components":[` +
		`{"type":"library","bom-ref":"pkg:golang/std@1.26.1","name":"std","version":"1.26.1",` +
		`"purl":"pkg:golang/std@1.26.1"},` +
		`{"type":"library","bom-ref":"pkg:golang/example.com/a@v2.0.0%2Bincompatible",` +
		`"name":"example.com/a","version":"v2.0.0+incompatible",` +
		`"purl":"pkg:golang/example.com/a@v2.0.0%2Bincompatible",` +
		`"hashes":[{"alg":"SHA-256","content":"000102"}]},` +
		`{"type":"library","bom-ref":"pkg:golang/example.com/c@v1.1.0","name":"example.com/c",` +
		`"version":"v1.1.0","purl":"pkg:golang/example.com/c@v1.1.0"}],` +
		`"dependencies":[{"ref":"pkg:golang/pawl@v0.1.0","dependsOn":["pkg:golang/std@1.26.1",` +
		`"pkg:golang/example.com/a@v2.0.0%2Bincompatible","pkg:golang/example.com/c@v1.1.0"]}]}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
}
