package replay

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestPoint(t *testing.T) {
	zero, below := int64(0), int64(-1)
	for _, tc := range []struct {
		p    Point
		want string
	}{
		{Point{}, "say once"},
		{Point{Earliest: true, Offset: &zero}, "say once"},
		{Point{Offset: &below}, "negative"},
		{Point{Offset: &zero}, ""},
		{Point{Time: time.UnixMilli(1)}, ""},
		{Point{Checkpoint: "latest"}, ""},
	} {
		err := tc.p.Validate()
		if (err == nil) != (tc.want == "") ||
			err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.p, err, tc.want)
		}
	}
}

func TestReadOffsets(t *testing.T) {
	for _, tc := range []struct {
		text string
		want map[int32]int64 // of topic in
		err  string
	}{
		{"in,0,5\nin,1,7\n", map[int32]int64{0: 5, 1: 7}, ""},
		{"\"in\",0, 5\n", map[int32]int64{0: 5}, ""},
		{"group,in,0,5\n", map[int32]int64{0: 5}, ""},
		{"", nil, "no line"},
		{"in,0\n", nil, "line 1 has 2 fields"},
		{"in,0,5\nin,x,5\n", nil, "line 2"},
		{"in,0,-5\n", nil, "line 1"},
		{"in,0,5\nin,0,6\n", nil, "twice"},
	} {
		got, err := ReadOffsets(strings.NewReader(tc.text))
		switch {
		case tc.err == "" && (err != nil || !maps.Equal(got["in"], tc.want)):
			t.Errorf("%q: %v, %v", tc.text, got, err)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("%q: error %v, want %q", tc.text, err, tc.err)
		}
	}
}

func TestCheckID(t *testing.T) {
	for id, good := range map[string]bool{"a": true, "20261121-101500": true, "a_b": true,
		"": false, "A": false, "-a": false, "a.b": false, strings.Repeat("a", 41): false} {
		if err := CheckID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestPage(t *testing.T) {
	r := &Report{ID: "one", From: map[string]int64{"in-0": 1}, To: map[string]int64{"in-0": 2},
		State: &Difference{}, Topics: map[string]*Difference{"out": {Different: 1,
			Examples: []Example{{Kind: "different", Key: "<script>",
				Fields: []string{"n: 1, replay 2"}, Production: map[string]any{"n": 1}}}}}}
	var page bytes.Buffer
	if err := r.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"It\ndiffers", "n: 1, replay 2", "&lt;script&gt;", "in-0"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
}

// TestRecordsComeBack: what the scratch keeps of a record is what it was, nil told from empty.
func TestRecordsComeBack(t *testing.T) {
	for _, key := range [][]byte{nil, {}, []byte("k")} {
		r := decodeRecord(encodeRecord(nil, sample("v", key)))
		if !same(r.Key, key) || string(r.Value) != "v" || r.Timestamp.UnixMilli() != -5 ||
			len(r.Headers) != 2 || r.Headers[0].Key != "a" || r.Headers[1].Value != nil {
			t.Errorf("%v came back as %+v", key, r)
		}
	}
}

func sample(value string, key []byte) *kgo.Record {
	return &kgo.Record{Key: key, Value: []byte(value), Timestamp: time.UnixMilli(-5),
		Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("b")}, {Key: "pawl.epoch",
			Value: []byte("7")}, {Key: "c"}}}
}
