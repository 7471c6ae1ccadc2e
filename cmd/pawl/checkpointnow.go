package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/processor"
)

// keepCheckpoints opens the storage that checkpoint.url names, if one is, for the instance; closing
// it is for after the instance's end.
func keepCheckpoints(ctx context.Context, s *settings.Settings, cfg *processor.Config) (
	closeTarget func() error, err error) {
	copies := s.Checkpoint()
	if copies.URL == "" {
		return func() error { return nil }, nil
	}
	target, err := copies.Open(ctx)
	if err != nil {
		return nil, s.Explain(err)
	}
	version, commit := build()
	cfg.Checkpoints = processor.Checkpoints{Target: target, Config: copies,
		Version: version + " " + commit}
	return target.Close, nil
}

// checkpointsPath is where a running instance is asked for checkpoints.
const checkpointsPath = "/v1/checkpoints"

// takenReport is the answer: what became of each task's checkpoint.
type takenReport struct {
	Checkpoints []takenRow `json:"checkpoints"`
}

type takenRow struct {
	Task     string    `json:"task"`
	Result   string    `json:"result"`
	ID       string    `json:"id,omitempty"`
	Epoch    int64     `json:"epoch"`
	Created  time.Time `json:"created"`
	Bytes    int64     `json:"bytes"`
	Uploaded int64     `json:"uploaded_bytes"`
	Seconds  float64   `json:"seconds"`
	Error    string    `json:"error,omitempty"`
}

// takeCheckpoints has the running tasks take checkpoints, and answers when that is done.
func (s *service) takeCheckpoints(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		writeProblem(w, problem{Status: http.StatusForbidden,
			Detail: "a page of another site may not ask for checkpoints"})
		return
	}
	if !s.mayAct(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeProblem(w, problem{Status: http.StatusUnauthorized, Detail: "from another machine " +
			"api.token is needed: set it, and send it as Authorization: Bearer TOKEN"})
		return
	}
	in := s.instance.Load()
	if in == nil {
		writeProblem(w, problem{Status: http.StatusServiceUnavailable,
			Detail: "the instance is starting; try again"})
		return
	}
	infos, err := in.Checkpoint(r.Context())
	if err != nil {
		writeProblem(w, problem{Status: http.StatusConflict, Detail: err.Error()})
		return
	}
	report := takenReport{Checkpoints: []takenRow{}}
	for _, i := range infos {
		row := takenRow{Task: i.Task, Result: string(i.Result), ID: i.ID, Epoch: i.Epoch,
			Created: i.Created, Bytes: i.Bytes, Uploaded: i.Uploaded, Seconds: seconds(i.Took)}
		if i.Err != nil {
			row.Error = i.Err.Error()
		}
		report.Checkpoints = append(report.Checkpoints, row)
	}
	if s.past != nil {
		s.past.Forget()
	}
	writeJSON(w, "application/json", http.StatusOK, report)
}

// mayAct says that a request comes from this machine, with the token, or with a certificate where
// these are what is asked for.
func (s *service) mayAct(r *http.Request) bool {
	if s.certificates && s.token == "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok && s.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1 {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func (a *app) checkpointNow() *cobra.Command {
	var flags sourceFlags
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "now",
		Short: "Have a running instance take checkpoints at once",
		Long: `Ask a running instance to take a checkpoint of each of its tasks, one after the
other, and wait for it. The instance is found at http.listen of --config, or at
--http. From another machine it wants api.token, which is taken from the settings.

A task whose newest checkpoint is of the state it has says unchanged. Exit 1 when
one of them failed; the instance goes on trying.`,
		Example: `  pawl checkpoint now --config fraud.yaml
  pawl checkpoint now --http 127.0.0.1:8080 --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := judge(a.sources(flags,
				settings.Flag{Name: "http", Key: "http.listen", Value: addr}), nil, whatIsGiven)
			if err != nil {
				return err
			}
			a.notices(s)
			return a.askForCheckpoints(cmd.Context(), s, asJSON)
		},
	}
	cmd.Flags().StringVar(&flags.file, "config", "", "YAML file with settings")
	cmd.Flags().StringArrayVar(&flags.sets, "set", nil, "one setting as key=value; "+
		"may be repeated")
	cmd.Flags().StringVar(&addr, "http", "", "http.listen, host:port of the instance")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// instanceAddress is where an instance with these settings can be asked from this machine.
func instanceAddress(s *settings.Settings) (string, error) {
	listen := s.Text("http.listen")
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return "", usage("http.listen=%s names no port to ask at; give --http with the address "+
			"that the instance printed", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

func (a *app) askForCheckpoints(ctx context.Context, s *settings.Settings, asJSON bool) (
	err error) {
	addr, err := instanceAddress(s)
	if err != nil {
		return err
	}
	client, err := newInstanceClient(s, 0)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		client.scheme+"://"+addr+checkpointsPath, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask for checkpoints: %w; check that the instance runs and listens "+
			"there", client.hint(err))
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		var p problem
		if err := json.NewDecoder(response.Body).Decode(&p); err != nil || p.Detail == "" {
			p.Detail = response.Status
		}
		return fmt.Errorf("ask %s for checkpoints: %s", addr, p.Detail)
	}
	var report takenReport
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return fmt.Errorf("read the answer of %s: %w", addr, err)
	}
	return a.tellTaken(report, asJSON)
}

func (a *app) tellTaken(report takenReport, asJSON bool) error {
	var err error
	if asJSON {
		err = printJSON(a.stdout, report)
	}
	failed := false
	for _, r := range report.Checkpoints {
		failed = failed || r.Result == string(processor.CheckpointFailed)
		switch {
		case asJSON:
		case r.Error != "":
			fmt.Fprintf(a.stdout, "%s: %s: %s\n", r.Task, r.Result, r.Error)
		case r.ID == "":
			fmt.Fprintf(a.stdout, "%s: %s: it has committed nothing yet\n", r.Task, r.Result)
		default:
			fmt.Fprintf(a.stdout, "%s: %s %s, epoch %d, %d bytes, %d of them uploaded in %.1f s\n",
				r.Task, r.Result, r.ID, r.Epoch, r.Bytes, r.Uploaded, r.Seconds)
		}
	}
	if len(report.Checkpoints) == 0 && !asJSON {
		fmt.Fprintln(a.stdout, "the instance runs no task")
	}
	if err == nil && failed {
		err = &verdictError{text: "checkpoints failed"}
	}
	return err
}
