package iot_test

import (
	"fmt"
	"time"

	"pawl/pipelines/iot"
)

// A cold store is warned about above −18 °C, and once an hour.
func ExampleNew() {
	cfg := iot.Config{AlertRepeat: time.Hour, Limits: iot.Limits{TemperatureMin: -40,
		TemperatureMax: -18, HumidityMax: 95, BatteryMin: 0.1}}
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil {
		fmt.Println(err)
	}
	pipeline := iot.New(cfg)
	fmt.Println(pipeline.Name(), pipeline.Validate())
	// processor.Run(ctx, processor.Config{ApplicationID: "stores", …}, pipeline)
	// Output:
	// iot <nil>
}
