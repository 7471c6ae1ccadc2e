package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Result is one measurement: a line of the file. What is counted is counted in the window, which
// ends with the commit that covers the last event, except where a field says otherwise.
type Result struct {
	Factor string    `json:"factor"`
	Round  int       `json:"round"`
	Point  Point     `json:"point"`
	Taken  time.Time `json:"taken"`

	Machine Machine `json:"machine"`

	Seconds      float64 `json:"seconds"`       // length of the window
	Events       int64   `json:"events"`        // processed in it
	Loaded       int64   `json:"loaded"`        // produced to the input in it, by this program
	Epochs       int64   `json:"epochs"`        // transactions
	TaskEpochs   int64   `json:"task_epochs"`   // transactions × partitions that took part
	StateChanges int64   `json:"state_changes"` // records in the changelog
	PawlUser     float64 `json:"pawl_user_s"`   // processor seconds
	PawlSystem   float64 `json:"pawl_system_s"` //
	BrokerUser   float64 `json:"broker_user_s"` //
	BrokerSystem float64 `json:"broker_system_s"`
	Sent         int64   `json:"sent_bytes"`      // to the broker
	Produced     int64   `json:"produced_bytes"`  // batches that were acknowledged; in Sent too
	Changelog    int64   `json:"changelog_bytes"` // as sent, compressed; in Sent too
	// Sent by which of the instance's clients: fetch asks for records, produce has the
	// transactions, group beats, admin asks for offsets.
	SentBy map[string]int64 `json:"sent_bytes_by_client"`

	WholeEvents int64 `json:"whole_events"`      // all that were processed
	Received    int64 `json:"received_bytes"`    // for all: much is fetched ahead of the window
	PawlDisk    int64 `json:"pawl_disk_bytes"`   // written for all, the flush at the end included
	BrokerDisk  int64 `json:"broker_disk_bytes"` // the same; of a paced point with its input
	PeakRSS     int64 `json:"peak_rss_bytes"`    // ever
	CacheBytes  int64 `json:"cache_bytes"`       // decoded state at the end
	StoreBytes  int64 `json:"store_bytes"`       // on disk after the end
	Verified    bool  `json:"verified"`          // by the oracle; else not asked
}

// Machine says where a measurement was taken, and what else went on.
type Machine struct {
	CPUs   int        `json:"cpus"`
	Go     string     `json:"go"`
	Commit string     `json:"commit"`
	Before [3]float64 `json:"load_average_before"` // of 1, 5 and 15 minutes
	After  [3]float64 `json:"load_average_after"`
}

// PawlCPU is the instance's processor seconds.
func (r *Result) PawlCPU() float64 { return r.PawlUser + r.PawlSystem }

// BrokerCPU is the broker's processor seconds.
func (r *Result) BrokerCPU() float64 { return r.BrokerUser + r.BrokerSystem }

// millions is how many million events were processed in the window.
func (r *Result) millions() float64 { return float64(r.Events) / 1e6 }

// perSecond is the throughput.
func (r *Result) perSecond() float64 { return float64(r.Events) / r.Seconds }

// readResults reads a file of results; one that does not exist has none. A last line without its
// end is what a death left: it is no measurement.
func readResults(path string) ([]Result, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer f.Close()
	var all []Result
	for r, n := bufio.NewReader(f), 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read results of %s: %w", path, err)
		}
		var one Result
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("%s:%d is no result: %w; remove the line", path, n, err)
		}
		all = append(all, one)
	}
}

// appendResult adds a line, after cutting off one that a death left unfinished.
func appendResult(path string, r Result) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a result: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	all, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read results of %s: %w", path, err)
	}
	end := len(all)
	for end > 0 && all[end-1] != '\n' {
		end--
	}
	if err := f.Truncate(int64(end)); err != nil {
		return fmt.Errorf("cut off an unfinished line of %s: %w", path, err)
	}
	if _, err := f.WriteAt(append(line, '\n'), int64(end)); err != nil {
		return fmt.Errorf("write results to %s: %w", path, err)
	}
	return nil
}
