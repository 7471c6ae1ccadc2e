package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// TestUpgrade asks about an application of this very version, then about one whose changelog has a
// value that this version cannot read.
func TestUpgrade(t *testing.T) {
	c, flags := testCluster(t)
	adm := c.admin(t)
	if err := createInputs(t.Context(), adm, []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	own := append([]string{"--set", "application.id=up", "--set", "state.dir=" + t.TempDir()},
		flags...)
	ask := append([]string{"upgrade", "fraud", "--dry-run"}, own...)
	svc := inBackground(t, append([]string{"run", "fraud", "--set", "http.listen=off"}, own...)...)
	eventually(t, "the limits topic", svc, func() bool {
		topics, err := adm.ListTopics(t.Context())
		return err == nil && topics.Has("fraud-limits")
	})
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", "500", "--rate",
		"0"}, flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	err := drain(t.Context(), adm, "up", []string{"transactions"}, 20*time.Second, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	code, out, said := pawl(nil, ask...)
	if code != 0 || !strings.Contains(out, "up is live") || strings.Contains(out, "\x1b") ||
		!strings.Contains(out, "side by side") {
		t.Errorf("live: exit %d\n%s%s", code, out, said)
	}
	svc.stop()
	if code := svc.end(t); code != 0 {
		t.Fatalf("run: exit %d\n%s", code, svc.errs.String())
	}
	u := upgradeJSON(t, 0, ask)
	for _, parts := range [][]processor.UpgradePart{u.Stores, u.Topics} {
		for _, part := range parts {
			if part.Verdict == processor.UpgradeRefused || part.Older != nil {
				t.Errorf("the same version: %+v", part)
			}
		}
	}
	if u.Refused || !u.Rolling || u.Live || len(u.Tasks) != 2 || len(u.Topics) != 4 {
		t.Errorf("the same version: %+v", u)
	}
	t.Log(out)

	forge(t, c)
	code, out, said = pawl(nil, ask...)
	if code != 1 || !strings.Contains(out, "fraud-limits     refused") ||
		!strings.Contains(out, "mend: ") ||
		!strings.Contains(out, "refused: this binary cannot take over") {
		t.Errorf("a value of another version: exit %d\n%s%s", code, out, said)
	}
	if u := upgradeJSON(t, 1, ask); !u.Refused || u.Rolling {
		t.Errorf("a value of another version: %+v", u)
	}
}

// forge puts a value into a store of which no version here knows the schema.
func forge(t *testing.T, c *cluster) {
	t.Helper()
	const text = `{"type":"record","name":"Foreign","fields":[{"name":"x","type":"string"}]}`
	id, err := c.schemas().Register(t.Context(), "foreign", text)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	rec := &kgo.Record{Topic: processor.ChangelogName("up", "fraud"),
		Key:   statestore.Key(nil).String("fraud-limits").String("somebody"),
		Value: append(schemas.AppendHeader(nil, id), 2, 'x')}
	if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// upgradeJSON asks for JSON.
func upgradeJSON(t *testing.T, want int, ask []string) *processor.Upgrade {
	t.Helper()
	code, out, said := pawl(nil, append(ask, "--json")...)
	u := new(processor.Upgrade)
	if err := json.Unmarshal([]byte(out), u); err != nil || code != want {
		t.Fatalf("--json: exit %d, want %d: %v\n%s%s", code, want, err, out, said)
	}
	return u
}

// TestUpgradeWantsDryRun: nothing is upgraded by a command alone.
func TestUpgradeWantsDryRun(t *testing.T) {
	code, _, said := pawl(nil, "upgrade", "fraud")
	if code != 2 || !strings.Contains(said, "--dry-run") {
		t.Errorf("exit %d\n%s", code, said)
	}
}
