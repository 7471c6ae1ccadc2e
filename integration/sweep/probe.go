package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is what a process has used since its start.
type usage struct {
	user, system float64 // processor seconds
	written      int64   // bytes that it caused to be written to disk, less those it took back
}

// userHertz is the unit of the times in /proc on every Linux architecture that Go runs on.
const userHertz = 100

// usageOf reads the usage of a process from /proc.
func usageOf(pid int) (usage, error) {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("read processor time of process %d: %w", pid, err)
	}
	// The program's name, in brackets, may hold anything; utime and stime are 11 and 12 after it.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return u, fmt.Errorf("read processor time of process %d: %q is too short", pid, stat)
	}
	for i, to := range map[int]*float64{11: &u.user, 12: &u.system} {
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return u, fmt.Errorf("read processor time of process %d: %w", pid, err)
		}
		*to = float64(ticks) / userHertz
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return u, fmt.Errorf("read what process %d wrote: %w", pid, err)
	}
	io := values(string(text))
	u.written = int64(io["write_bytes:"] - io["cancelled_write_bytes:"])
	return u, nil
}

// folderBytes is how large the files in a folder are. Those that vanish meanwhile have none.
func folderBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("add up the files of %s: %w", dir, err)
	}
	return sum, nil
}

// values reads lines of a name and a number.
func values(text string) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if v, err := strconv.ParseFloat(fields[1], 64); err == nil {
			all[fields[0]] = v
		}
	}
	return all
}

// loadAverages are the machine's, of 1, 5 and 15 minutes.
func loadAverages() ([3]float64, error) {
	var all [3]float64
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &all[0], &all[1], &all[2])
	}
	if err != nil {
		return all, fmt.Errorf("read the load average: %w", err)
	}
	return all, nil
}

// metrics are an instance's, as of one moment: the name with its labels, and the value.
type metrics map[string]float64

// scrape asks an instance for its metrics.
func scrape(ctx context.Context, addr string) (metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s for metrics: %s", addr, response.Status)
	}
	return parseMetrics(response.Body)
}

// parseMetrics reads the text format: lines of a series and its value.
func parseMetrics(r io.Reader) (metrics, error) {
	all := metrics{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read metric %q: %w", line, err)
		}
		all[line[:at]] = v
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return all, nil
}

// sum adds up all series of a metric whose labels contain each of the texts.
func (m metrics) sum(name string, labels ...string) int64 {
	var sum float64
series:
	for series, v := range m {
		if rest, ok := strings.CutPrefix(series, name); !ok || rest != "" && rest[0] != '{' {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue series
			}
		}
		sum += v
	}
	return int64(sum)
}
