package iot_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"pawl/pipelines/iot"
	"pawl/pipelines/iot/devices"
)

// TestDevicesDown runs the pipeline while the device service is down, then slow: readings wait for
// their devices, and none goes on without.
func TestDevicesDown(t *testing.T) {
	t.Parallel()
	service := devices.NewService()
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	client, err := devices.NewClient(devices.ClientConfig{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	cfg := iot.Config{Devices: client.Find, Known: devices.Of}
	r := newRig(t, cfg, 2)
	r.produce(t, iot.LoadConfig{Seed: 9, Sensors: 150, Rate: 100,
		Start: time.Now().Add(-time.Hour)}, 3_000)
	service.SetDown(true)
	refused := make(chan int64, 1)
	go func() {
		for service.Asked() < 3 && t.Context().Err() == nil {
			<-time.After(time.Millisecond) // the deadline is that of drain
		}
		refused <- service.Asked()
		service.SetSlow(20 * time.Millisecond)
		service.SetDown(false)
	}()
	report := r.drain(t, t.TempDir(), iot.Spec(cfg))
	if report.Oracle != "match" || report.RecordsOut < 3_000 {
		t.Errorf("%+v", report)
	}
	// One question for each sensor is enough, but for those that were refused.
	if asked := service.Asked() - <-refused; asked > 2*150 {
		t.Errorf("the service was asked %d times about 150 sensors", asked)
	}
}
