package main

import (
	"strings"
	"testing"
)

func TestParseKillAt(t *testing.T) {
	for _, c := range []struct {
		value, point string
		n            int64
		fault        string
	}{
		{"", "", 0, ""},
		{"flushed", "flushed", 1, ""},
		{"applied:3", "applied", 3, ""},
		{"Flushed", "", 0, "no such point"},
		{"flushed:", "", 0, `"" is not a count; write flushed:1`},
		{"flushed:0", "", 0, `"0" is not a count`},
		{"flushed:-1", "", 0, `"-1" is not a count`},
		{"flushed:x", "", 0, `"x" is not a count`},
	} {
		k, err := parseKillAt([]string{"A=b", "PAWL_KILL_AT=" + c.value})
		switch {
		case c.fault != "":
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%q gives %v; want %s", c.value, err, c.fault)
			}
		case err != nil:
			t.Errorf("%q gives %v", c.value, err)
		case c.point == "":
			if k != nil {
				t.Errorf("%q gives %s", c.value, k.point)
			}
		case k.point != c.point || k.n != c.n:
			t.Errorf("%q gives %s:%d", c.value, k.point, k.n)
		}
	}
}

func TestKillCounts(t *testing.T) {
	k, err := parseKillAt([]string{"PAWL_KILL_AT=flushed:2"})
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	k.kill = func() { killed++ }
	for i, point := range []string{"flushed", "applied", "applied", "flushed", "flushed"} {
		k.pass(point)
		if want := map[bool]int{true: 1}[i >= 3]; killed != want {
			t.Errorf("after %d points killed %d times; want %d", i+1, killed, want)
		}
	}
}
