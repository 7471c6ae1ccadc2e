package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pawl/internal/settings"
)

// TestConfigListsWhatMatters: of a pipeline, the general settings and its own; of all, everything.
func TestConfigListsWhatMatters(t *testing.T) {
	t.Parallel()
	owners := []string{""}
	for _, p := range pipelines() {
		owners = append(owners, p.name)
	}
	for _, asked := range owners {
		args := []string{"config", "--json", "--set", "funnel.gap=3m", "--set", "iot.span=4m"}
		if asked != "" {
			args = append(args, asked)
		}
		_, stdout, stderr := pawl(nil, args...)
		var got configReport
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, stderr)
		}
		var names, want []string
		for _, e := range got.Settings {
			names = append(names, e.Name)
		}
		for _, s := range settings.Table() {
			owner, _, _ := strings.Cut(s.Name, ".")
			if asked == "" || owner == asked || !slices.Contains(owners, owner) {
				want = append(want, s.Name)
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("pawl config %s lists\n%v\nwant\n%v", asked, names, want)
		}
	}
}
