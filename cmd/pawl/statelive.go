package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pawl/internal/settings"
	"pawl/statestore"
)

// stateLive is a running application, read through an instance's HTTP API.
type stateLive struct {
	address string
	client  *instanceClient
}

func liveAt(s *settings.Settings, address string) (*stateLive, error) {
	if address == "" {
		address = s.Text("http.listen")
	}
	if address == "off" || strings.HasSuffix(address, ":0") {
		return nil, usage("http.listen=%s is no address to ask; give --http", address)
	}
	client, err := newInstanceClient(s, time.Minute)
	return &stateLive{address: address, client: client}, err
}

// apiAnswer is what the commands read of an answer of the API.
type apiAnswer struct {
	Application string          `json:"application"`
	Pipeline    string          `json:"pipeline"`
	Detail      string          `json:"detail"`
	Key         json.RawMessage `json:"key"`
	Value       json.RawMessage `json:"value"`
	Rows        []struct {
		Key   json.RawMessage `json:"key"`
		Value json.RawMessage `json:"value"`
	} `json:"rows"`
	Next      string          `json:"next"`
	Complete  bool            `json:"complete"`
	Tasks     []stateStanding `json:"tasks"`
	Instances []struct {
		Tasks []string `json:"tasks"`
	} `json:"instances"`
}

// ask gets an answer; found is false for 404.
func (l *stateLive) ask(ctx context.Context, path string) (answer apiAnswer, found bool,
	err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		l.client.scheme+"://"+l.address+path, nil)
	if err != nil {
		return answer, false, fmt.Errorf("ask %s: %w", l.address, err)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return answer, false, fmt.Errorf("ask %s: %w", l.address, l.client.hint(err))
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, false, fmt.Errorf("ask %s for %s: %s, which is no answer of pawl's: %w",
			l.address, path, response.Status, err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		return answer, true, nil
	case http.StatusNotFound:
		return answer, false, nil
	case http.StatusUnauthorized:
		return answer, false, fmt.Errorf("%s wants a token or a certificate: %s; set api.token "+
			"to the application's, or %s and %s to a client's", l.address, answer.Detail, apiCert,
			apiKey)
	}
	return answer, false, fmt.Errorf("%s answers %s: %s", l.address, response.Status, answer.Detail)
}

// answers tells whether an instance of the application is there, as far as that is known.
func (l *stateLive) answers(ctx context.Context, application, pipeline string) bool {
	defer l.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	answer, found, err := l.ask(ctx, "/v1/state/instances")
	return err == nil && found && answer.Pipeline == pipeline &&
		(application == "" || answer.Application == application)
}

// read implements stateSource: task by task, page by page.
func (l *stateLive) read(ctx context.Context, w *stateWant, row func(stateRow) error,
	stand func(stateStanding)) error {
	defer l.client.CloseIdleConnections()
	shape, found, err := l.ask(ctx, "/v1/state/instances")
	if err != nil {
		return err
	}
	if !found || shape.Pipeline != w.pipeline {
		return fmt.Errorf("%s is an instance of %s, and store %s is one of %s; give --http",
			l.address, shape.Pipeline, w.table.Name, w.pipeline)
	}
	count := int32(0)
	for _, i := range shape.Instances {
		count += int32(len(i.Tasks))
	}
	if !shape.Complete {
		return fmt.Errorf("the application is moving tasks just now; ask again")
	}
	tasks, err := w.tasks(count)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		at, err := l.readTask(ctx, w, fmt.Sprintf("%s-%d", w.pipeline, task), row)
		if at.Task != "" {
			stand(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *stateLive) readTask(ctx context.Context, w *stateWant, task string,
	row func(stateRow) error) (at stateStanding, err error) {
	values := url.Values{"task": {task}, "raw": {fmt.Sprint(w.raw)}}
	path := "/v1/state/keyvalues/" + url.PathEscape(w.table.Name)
	if w.key != nil {
		return l.readKey(ctx, w, values, row)
	}
	values.Set("limit", "1000")
	if w.prefix != "" {
		values.Set("prefix", w.prefix)
	}
	for {
		answer, found, err := l.ask(ctx, path+"?"+values.Encode())
		if err != nil || !found {
			return at, errors.Join(err, missingStore(found, answer))
		}
		for _, one := range answer.Tasks {
			first := at.First
			if at = one; first == 0 {
				first = one.Epoch
			}
			at.First = first
		}
		for _, r := range answer.Rows {
			if err := giveLive(w, r.Key, r.Value, row); err != nil {
				return at, err
			}
		}
		if answer.Next == "" {
			return at, nil
		}
		values.Set("after", answer.Next)
	}
}

func missingStore(found bool, answer apiAnswer) error {
	if found {
		return nil
	}
	return errors.New(answer.Detail)
}

func (l *stateLive) readKey(ctx context.Context, w *stateWant, values url.Values,
	row func(stateRow) error) (at stateStanding, err error) {
	parts, err := restOf(w)
	if err != nil {
		return at, err
	}
	values.Set("rest", parts)
	answer, found, err := l.ask(ctx, "/v1/state/keyvalue/"+url.PathEscape(w.table.Name)+"/"+
		url.PathEscape(w.record)+"?"+values.Encode())
	for _, one := range answer.Tasks {
		at = one
	}
	if err == nil && found {
		err = giveLive(w, answer.Key, answer.Value, row)
	}
	return at, err
}

// restOf is the key without its first element, as a JSON array.
func restOf(w *stateWant) (string, error) {
	parts, err := statestore.DecodeKey(w.key)
	if err != nil {
		return "", err
	}
	rest, err := json.Marshal(parts[1:])
	return string(rest), err
}

// giveLive decodes a row without losing digits.
func giveLive(w *stateWant, key, value json.RawMessage, row func(stateRow) error) error {
	r := stateRow{Value: value}
	d := json.NewDecoder(strings.NewReader(string(key)))
	d.UseNumber()
	if err := d.Decode(&r.Key); err != nil {
		return fmt.Errorf("read key %s: %w", key, err)
	}
	r.window(w)
	return row(r)
}
