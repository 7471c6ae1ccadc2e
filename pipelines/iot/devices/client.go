package devices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	schema "pawl/schemas/iot"
)

const (
	timeoutDefault = 2 * time.Second
	// answerMax is how much of an answer is read, in bytes.
	answerMax = 64 << 10
)

// ClientConfig says where the service is.
type ClientConfig struct {
	// URL is the service's, without /devices.
	URL string
	// Timeout bounds one look-up. Default 2s.
	Timeout time.Duration
	// HTTP sends the requests. Default: a client of its own, which keeps connections.
	HTTP *http.Client
}

// Client asks a device service. It may be used by many at once.
type Client struct {
	url     string
	timeout time.Duration
	http    *http.Client
}

// NewClient returns a Client; it sends nothing yet.
func NewClient(cfg ClientConfig) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("device service %q is no address; give http://host:port", cfg.URL)
	}
	c := &Client{url: strings.TrimSuffix(cfg.URL, "/"), timeout: cfg.Timeout, http: cfg.HTTP}
	if c.timeout <= 0 {
		c.timeout = timeoutDefault
	}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64 // of look-ups that are under way together
		c.http = &http.Client{Transport: t}
	}
	return c, nil
}

// Error says why a look-up has no device.
type Error struct {
	Sensor string
	Status int // of the answer; 0 when there was none
	Reason string
	err    error
}

// Error names the sensor, the status and the reason.
func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("look up the device of sensor %q: %s", e.Sensor, e.Reason)
	}
	return fmt.Sprintf("look up the device of sensor %q: status %d: %s", e.Sensor, e.Status,
		e.Reason)
}

// Unwrap gives the cause, nil when the service refused.
func (e *Error) Unwrap() error { return e.err }

// Permanent says that the same question will always get this answer: the id is none (400), or has
// no device (404, 410). Whatever else goes wrong may be mended, be it with a setting, and the
// answer be there then.
func (e *Error) Permanent() bool {
	return e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound ||
		e.Status == http.StatusGone
}

// Permanent says whether err is an *Error that is permanent.
func Permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Permanent()
}

// Find is Get for which it is no error that a sensor has no device: false.
func (c *Client) Find(ctx context.Context, sensor string) (d schema.Device, known bool,
	err error) {
	d, err = c.Get(ctx, sensor)
	if Permanent(err) {
		return schema.Device{}, false, nil
	}
	return d, err == nil, err
}

// Get looks up the device of a sensor. Its errors are *Error.
func (c *Client) Get(ctx context.Context, sensor string) (schema.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	fail := func(status int, reason string, err error) (schema.Device, error) {
		return schema.Device{}, &Error{Sensor: sensor, Status: status, Reason: reason, err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		c.url+"/devices/"+url.PathEscape(sensor), nil)
	if err != nil {
		return fail(0, err.Error(), err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fail(0, fmt.Sprintf("no answer within %v: %v", c.timeout, err), err)
		}
		return fail(0, err.Error(), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return fail(0, fmt.Sprintf("the answer broke off: %v", err), err)
	}
	if res.StatusCode != http.StatusOK {
		return fail(res.StatusCode, fmt.Sprintf("%.200s", strings.TrimSpace(string(body))), nil)
	}
	var d schema.Device
	if err := json.Unmarshal(body, &d); err != nil || d == (schema.Device{}) {
		return fail(res.StatusCode, fmt.Sprintf("the answer %.200q is no device", body), err)
	}
	return d, nil
}
