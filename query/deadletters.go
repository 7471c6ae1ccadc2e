package query

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pawl/deadletter"
)

// DeadLetters is where an application's dead letters are handled; *deadletter.Desk is one.
type DeadLetters interface {
	List(ctx context.Context, f deadletter.Filter, o deadletter.ListOptions) (*deadletter.Page,
		error)
	Show(ctx context.Context, id deadletter.ID) (*deadletter.Detail, error)
	Retry(ctx context.Context, s deadletter.Selection, maxAttempts int, dry bool) (
		*deadletter.Result, error)
	Discard(ctx context.Context, s deadletter.Selection, reason string, dry bool) (
		*deadletter.Result, error)
}

// scanMax is how many of the newest dead letters a list looks at: a request must not read a long
// topic from its beginning. The command does.
const scanMax = 10_000

// listLetters answers with the newest dead letters.
func (s *server) listLetters(w http.ResponseWriter, r *http.Request) {
	filter, o, p := letterQuery(r)
	if p == nil {
		p = s.desk()
	}
	if p != nil {
		p.write(w, r)
		return
	}
	page, err := s.options.DeadLetters.List(r.Context(), filter, o)
	if err != nil {
		unreadable(err).write(w, r)
		return
	}
	f := s.here()
	offsets, _ := f["offsets"].(map[string]int64)
	maps.Copy(offsets, page.Offsets)
	f["dead_letters"], f["more"], f["complete"] = page.Letters, page.More, page.Complete
	answer(w, r, "", f)
}

// desk refuses while there is none.
func (s *server) desk() *Problem {
	if s.options.State() == nil || s.options.DeadLetters == nil {
		p := refuse(http.StatusServiceUnavailable, "the instance is starting; ask again later")
		p.RetryIn = 1
		return p
	}
	return nil
}

// here says where this instance's tasks stand. Dead letters are not theirs, but their epochs are.
func (s *server) here() fields {
	var stands []standing
	for _, t := range localTasks(s.options.State()) {
		n, _ := strconv.ParseInt(t.Task[strings.LastIndexByte(t.Task, '-')+1:], 10, 32)
		stands = append(stands, standing{Task: t.Task, Partition: int32(n), Instance: t.Instance,
			Epoch: t.Epoch, Offsets: t.Offsets, Watermark: t.Watermark})
	}
	f := fields{}
	f.stand(stands, nil)
	if stands == nil {
		f["tasks"] = []standing{}
	}
	return f
}

// letterQuery reads the parameters of a list.
func letterQuery(r *http.Request) (f deadletter.Filter, o deadletter.ListOptions, p *Problem) {
	o = deadletter.ListOptions{Limit: limitDefault, Scan: scanMax}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f, o, refuse(http.StatusBadRequest, "the query string cannot be read: %v", err)
	}
	names := []string{"limit", "exception", "topic", "state", "since", "until"}
	for name, all := range values {
		if !slices.Contains(names, name) {
			return f, o, refuse(http.StatusBadRequest, "there is no parameter %.60q here; use %s",
				name, strings.Join(names, ", "))
		}
		if len(all) > 1 {
			return f, o, refuse(http.StatusBadRequest, "%s is given %d times; give it once", name,
				len(all))
		}
	}
	q := &question{values: values}
	if p = q.number("limit", &o.Limit, 1, limitMax); p != nil {
		return f, o, p
	}
	f = deadletter.Filter{Exception: values.Get("exception"), Topic: values.Get("topic"),
		State: deadletter.State(values.Get("state"))}
	states := []deadletter.State{"", deadletter.Dead, deadletter.Retried, deadletter.Discarded}
	if !slices.Contains(states, f.State) {
		return f, o, refuse(http.StatusBadRequest, "state=%.60q is unknown; use dead, retried or "+
			"discarded", f.State)
	}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := values.Get(name); text != "" {
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return f, o, refuse(http.StatusBadRequest, "%s=%.60q is not a time; write for "+
					"example 2026-01-02T15:04:05Z", name, text)
			}
		}
	}
	return f, o, nil
}

// showLetter answers with one dead letter whole.
func (s *server) showLetter(w http.ResponseWriter, r *http.Request) {
	id, p := letterID(r)
	if p == nil && r.URL.RawQuery != "" {
		p = refuse(http.StatusBadRequest, "%s takes no parameters", r.URL.Path)
	}
	if p == nil {
		p = s.desk()
	}
	if p != nil {
		p.write(w, r)
		return
	}
	detail, err := s.options.DeadLetters.Show(r.Context(), id)
	if err != nil {
		unreadable(err).write(w, r)
		return
	}
	s.answerWith(w, r, detail)
}

// answerWith answers with the fields of a value and where the tasks stand.
func (s *server) answerWith(w http.ResponseWriter, r *http.Request, value any) {
	f := s.here()
	text, err := json.Marshal(value)
	own := make(map[string]json.RawMessage)
	if err == nil {
		err = json.Unmarshal(text, &own)
	}
	if err != nil {
		refuse(http.StatusInternalServerError, "encode the answer: %v", err).write(w, r)
		return
	}
	for name, v := range own {
		f[name] = v
	}
	answer(w, r, "", f)
}

func letterID(r *http.Request) (deadletter.ID, *Problem) {
	id, err := deadletter.ParseID(r.PathValue("id"))
	if err != nil {
		return id, refuse(http.StatusBadRequest, "%v", err)
	}
	return id, nil
}

func unreadable(err error) *Problem {
	if deadletter.IsNone(err) {
		return refuse(http.StatusNotFound, "%v", err)
	}
	p := refuse(http.StatusServiceUnavailable, "the dead letters cannot be read or handled now: %v",
		err)
	p.RetryIn = 1
	return p
}

// asked is the body of a POST on a dead letter.
type asked struct {
	Reason      string `json:"reason"`       // of a discard
	MaxAttempts int    `json:"max_attempts"` // of a retry; 0 is the default
}

// retryLetter puts a dead letter's record back.
func (s *server) retryLetter(w http.ResponseWriter, r *http.Request) {
	s.handleLetter(w, r, func(one deadletter.Selection, a asked) (*deadletter.Result, *Problem,
		error) {
		if a.MaxAttempts < 0 || a.Reason != "" {
			return nil, refuse(http.StatusBadRequest, "a retry takes max_attempts, above 0, and "+
				"no reason"), nil
		}
		result, err := s.options.DeadLetters.Retry(r.Context(), one, a.MaxAttempts, false)
		return result, nil, err
	})
}

// discardLetter marks a dead letter as done with.
func (s *server) discardLetter(w http.ResponseWriter, r *http.Request) {
	s.handleLetter(w, r, func(one deadletter.Selection, a asked) (*deadletter.Result, *Problem,
		error) {
		if strings.TrimSpace(a.Reason) == "" || a.MaxAttempts != 0 {
			return nil, refuse(http.StatusBadRequest, `a discard takes {"reason": "…"}, which says `+
				"why nobody wants the record"), nil
		}
		result, err := s.options.DeadLetters.Discard(r.Context(), one, a.Reason, false)
		return result, nil, err
	})
}

// handleLetter does what is asked with one dead letter, if whoever asks may.
func (s *server) handleLetter(w http.ResponseWriter, r *http.Request,
	act func(deadletter.Selection, asked) (*deadletter.Result, *Problem, error)) {
	p := s.mayAct(r)
	var id deadletter.ID
	var a asked
	if p == nil {
		id, p = letterID(r)
	}
	if p == nil {
		a, p = body(w, r)
	}
	if p == nil {
		p = s.desk()
	}
	var result *deadletter.Result
	var err error
	if p == nil {
		result, p, err = act(deadletter.Selection{IDs: []deadletter.ID{id}}, a)
	}
	if err != nil {
		p = unreadable(err)
	}
	if p != nil {
		p.write(w, r)
		return
	}
	switch o := result.Outcomes[0]; o.Result {
	case deadletter.ResultMissing:
		refuse(http.StatusNotFound, "%s", o.Detail).write(w, r)
	case deadletter.ResultRefused:
		refuse(http.StatusConflict, "dead letter %s: %s", o.ID, o.Detail).write(w, r)
	default:
		s.answerWith(w, r, o)
	}
}

// mayAct refuses who may read and not change anything: another site's page, and, as long as no
// token is set, another machine. The token itself is Guard's to ask for.
func (s *server) mayAct(r *http.Request) *Problem {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return refuse(http.StatusForbidden, "a page of another site may not do this")
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	if s.options.Token == "" && (err != nil || ip == nil || !ip.IsLoopback()) {
		return refuse(http.StatusUnauthorized, "from another machine api.token is needed: set it, "+
			"and send it as Authorization: Bearer TOKEN")
	}
	return nil
}

// bodyMax is the largest body that a request may have, in bytes.
const bodyMax = 64 << 10

// body reads what is asked. Nothing but JSON is taken, so that no form of a page can ask.
func body(w http.ResponseWriter, r *http.Request) (a asked, p *Problem) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return a, refuse(http.StatusUnsupportedMediaType, "send Content-Type: application/json, "+
			"and at least {}")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	d.DisallowUnknownFields()
	if err = d.Decode(&a); err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after it")
		}
	}
	if err != nil {
		return a, refuse(http.StatusBadRequest, "the body is no JSON object that is understood: %v",
			err)
	}
	return a, nil
}
