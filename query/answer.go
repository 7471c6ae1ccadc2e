package query

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pawl/schemas/record"
)

// standing is where a task stood when it was read.
type standing struct {
	Task      string           `json:"task"`
	Partition int32            `json:"partition"`
	Instance  string           `json:"instance"`
	Epoch     int64            `json:"epoch"`
	Claim     int64            `json:"claim"`
	Offsets   map[string]int64 `json:"offsets"`
	Watermark *time.Time       `json:"watermark"` // nil before the first record

	Checkpoint string     `json:"checkpoint,omitempty"` // that as-of led to
	Created    *time.Time `json:"created,omitempty"`    // when it was taken

	text []byte // all of that as JSON, if it is known
	tag  string // its part of an ETag, if it is known
}

func standingOf(task, instance string, partition int32, p record.Position) standing {
	s := standing{Task: task, Partition: partition, Instance: instance, Epoch: p.Epoch,
		Claim: p.Claim, Offsets: make(map[string]int64, len(p.Inputs)),
		Watermark: timeOf(p.Watermark)}
	for _, in := range p.Inputs {
		s.Offsets[partitionName(in.Topic, in.Partition)] = in.Offset
	}
	return s
}

// timeOf is a time in ms, nil when it lies outside the years that JSON can say.
func timeOf(ms int64) *time.Time {
	at := time.UnixMilli(ms).UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return nil
	}
	return &at
}

// fields are what an answer has beside what it is about.
type fields map[string]any

// stand adds where the tasks stand: the epoch of the one, or the sum of several, which grows with
// each of them; all offsets; the least watermark.
func (f fields) stand(tasks []standing, missing []string) {
	var epoch int64
	offsets := make(map[string]int64)
	if len(tasks) == 1 {
		offsets = tasks[0].Offsets
	}
	var watermark *time.Time
	for i, s := range tasks {
		epoch += s.Epoch
		if len(tasks) > 1 {
			maps.Copy(offsets, s.Offsets)
		}
		if i == 0 || s.Watermark == nil || watermark != nil && s.Watermark.Before(*watermark) {
			watermark = s.Watermark
		}
	}
	f["epoch"], f["offsets"], f["watermark"] = epoch, offsets, watermark
	f["tasks"] = standings(tasks)
	f["complete"] = len(missing) == 0
	if len(missing) > 0 {
		f["missing"] = missing
	}
}

// etag names the epochs that an answer was read at; "" when it lacks some.
func etag(tasks []standing, missing []string) string {
	if len(missing) > 0 || len(tasks) == 0 {
		return ""
	}
	h := fnv.New64a()
	for i := range tasks {
		part := tasks[i].tag
		if part == "" {
			part = etagPart(&tasks[i])
		}
		_, _ = io.WriteString(h, part) // a hash takes all
	}
	return `W/"` + strconv.FormatUint(h.Sum64(), 16) + `"`
}

// etagPart is what one task adds.
func etagPart(s *standing) string {
	return fmt.Sprintf("%s %d %d %s,", s.Task, s.Claim, s.Epoch, s.Checkpoint)
}

// Problem is an error as it is answered, RFC 9457.
type Problem struct {
	Type    string   `json:"type"`
	Title   string   `json:"title"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"`
	Missing []string `json:"missing,omitempty"` // tasks that did not answer
	RetryIn int      `json:"-"`                 // seconds, 0 for no hint
	also    fields
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

func refuse(status int, format string, args ...any) *Problem {
	return &Problem{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.RetryIn > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(p.RetryIn))
	}
	all := fields{"type": p.Type, "title": p.Title, "status": p.Status, "detail": p.Detail}
	if len(p.Missing) > 0 {
		all["missing"] = p.Missing
	}
	maps.Copy(all, p.also)
	w.Header().Set("Cache-Control", "no-store")
	send(w, r, nil, p.Status, "application/problem+json", all)
}

// answer writes a body that was true at the given epochs, unless the client has it already.
func answer(w http.ResponseWriter, r *http.Request, tag string, body any) {
	answerWith(w, r, nil, tag, body)
}

// answerWith is answer with buffers to write into.
func answerWith(w http.ResponseWriter, r *http.Request, in *bodies, tag string, body any) {
	w.Header().Set("Cache-Control", "no-cache")
	if tag != "" {
		w.Header().Set("ETag", tag)
		if matches(strings.Join(r.Header.Values("If-None-Match"), ","), tag) {
			vary(w)
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	send(w, r, in, http.StatusOK, "application/json", body)
}

// matches compares tags weakly.
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

const (
	compressAbove = 1 << 10         // bytes from which compression pays
	writeFor      = 2 * time.Minute // how long a client may take to read an answer
)

// vary says what an answer depends on beside its address.
func vary(w http.ResponseWriter) { w.Header().Set("Vary", "Accept-Encoding, Authorization") }

func send(w http.ResponseWriter, r *http.Request, in *bodies, status int, kind string, body any) {
	encoded, err := appendBody(in.take(), body)
	if err != nil {
		status, kind = http.StatusInternalServerError, "application/problem+json"
		encoded = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,` +
			`"detail":"the answer cannot be written as JSON"}`)
	}
	encoded = append(encoded, '\n')
	sendBytes(w, r, status, kind, encoded)
	in.give(encoded)
}

// sendBytes writes an answer, compressed if that pays and the client takes it.
func sendBytes(w http.ResponseWriter, r *http.Request, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	vary(w)
	if len(body) > compressAbove && takesGzip(r) {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		_, _ = zip.Write(body) // a buffer takes all
		_ = zip.Close()
		body = packed.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// Whoever does not read keeps nothing for long. Not every writer has a deadline. The server
	// takes it back once all is sent, which may be after this.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeFor))
	_, _ = w.Write(body) // the client may have gone
}

// takesGzip tells whether the client says that it can read gzip.
func takesGzip(r *http.Request) bool {
	accepted := strings.Join(r.Header.Values("Accept-Encoding"), ",")
	takes, named := false, false
	for one := range strings.SplitSeq(strings.ReplaceAll(accepted, " ", ""), ",") {
		name, quality, weighed := strings.Cut(strings.ToLower(one), ";q=")
		q, err := strconv.ParseFloat(quality, 64)
		good := !weighed || err == nil && q > 0
		switch {
		case name == "gzip":
			takes, named = good, true
		case name == "*" && !named:
			takes = good
		}
	}
	return takes
}
