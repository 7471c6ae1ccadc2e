package query

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// eventsPath is the one path whose answer has no end.
const eventsPath = "/v1/events"

// writeMax is how long a client may keep one event waiting before it is given up.
const writeMax = 10 * time.Second

// events streams what happens (server-sent events) until the client goes or the instance stops.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	types, p := wantedTypes(r)
	feed := s.options.Feed
	if p == nil && feed == nil {
		p = refuse(http.StatusServiceUnavailable, "this instance has no feed of events")
		p.RetryIn = 5
	}
	if p != nil {
		p.write(w, r)
		return
	}
	c := feed.join(types)
	if c == nil {
		p := refuse(http.StatusServiceUnavailable, "%d clients have events sent "+
			"(http.events.clients), or the instance is stopping; ask again later", feed.Clients())
		p.RetryIn = 5
		p.write(w, r)
		return
	}
	defer feed.leave(c)
	if types[eventAlert] && s.options.Alerts != nil && r.Method != http.MethodHead {
		defer s.options.Alerts.Hold()()
	}
	out := &stream{w: w, to: http.NewResponseController(w)}
	out.head()
	if r.Method != http.MethodHead {
		feed.serve(out, c, r.Context().Done())
	}
}

// wantedTypes reads the parameter types.
func wantedTypes(r *http.Request) (map[string]bool, *Problem) {
	all := eventTypes()
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the query string cannot be read: %v", err)
	}
	for name, given := range values {
		if name != "types" || len(given) > 1 {
			return nil, refuse(http.StatusBadRequest, "there is no parameter %.60q here, or it is "+
				"given twice; use types=%s", name, strings.Join(all, ","))
		}
	}
	list := all
	if values.Has("types") {
		list = strings.Split(values.Get("types"), ",")
	}
	types := make(map[string]bool)
	for _, one := range list {
		if !slices.Contains(all, one) {
			return nil, refuse(http.StatusBadRequest, "types=%.60s: there are no events %.40q; "+
				"use %s", values.Get("types"), one, strings.Join(all, ","))
		}
		types[one] = true
	}
	return types, nil
}

// serve sends until the client goes, stops reading, or the feed ends.
func (f *Feed) serve(out *stream, c *client, gone <-chan struct{}) {
	second, quarter := time.NewTicker(f.options.Second), time.NewTicker(f.options.Quarter)
	beat := time.NewTicker(f.options.Heartbeat)
	defer second.Stop()
	defer quarter.Stop()
	defer beat.Stop()
	var sent *happening // the last epoch
	f.sendStatus(out, c)
	for out.err == nil {
		select {
		case <-gone:
			return
		case <-f.ended:
			return
		case <-c.wake:
			f.drain(out, c)
		case <-second.C:
			f.sendStatus(out, c)
		case <-quarter.C:
			if e := f.newest(); e != nil && e != sent && c.types[eventEpoch] {
				out.event(*e)
				sent = e
			}
		case <-beat.C:
			out.comment("alive")
		}
	}
}

// drain sends what is queued.
func (f *Feed) drain(out *stream, c *client) {
	for out.err == nil {
		select {
		case <-f.ended:
			return
		default:
		}
		h, lost, ok := c.pull()
		if !ok {
			return
		}
		if lost > 0 {
			out.event(happening{eventLost, fmt.Appendf(nil, `{"count":%d}`, lost)})
		}
		out.event(h)
	}
}

func (f *Feed) sendStatus(out *stream, c *client) {
	if f.options.Status == nil || !c.types[eventStatus] {
		return
	}
	if data, err := json.Marshal(f.options.Status()); err == nil {
		out.event(happening{eventStatus, data})
	}
}

// stream writes events to one client.
type stream struct {
	w   http.ResponseWriter
	to  *http.ResponseController
	err error // the client cannot be reached any more
}

// head answers 200. A stream is neither cached nor compressed, nor kept back by a proxy.
func (s *stream) head() {
	_ = s.to.SetReadDeadline(time.Time{}) // a writer of tests has none
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
	s.comment("events of this instance; alerts of all")
}

func (s *stream) comment(text string) { s.send(": " + text + "\n\n") }

// event sends one; its data is JSON, which has no line breaks.
func (s *stream) event(h happening) {
	s.send("event: " + h.kind + "\ndata: " + string(h.data) + "\n\n")
}

func (s *stream) send(text string) {
	if s.err != nil {
		return
	}
	_ = s.to.SetWriteDeadline(time.Now().Add(writeMax)) // as above
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.to.Flush()
	}
}
