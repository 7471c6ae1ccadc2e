package iot

// Symbols of the enum Trend: how the temperature moved within a window.
const (
	TrendIncreasing = "INCREASING"
	TrendDecreasing = "DECREASING"
	TrendStable     = "STABLE"
)

// Symbols of the enum AlertType, in the order in which one reading's alerts are emitted.
const (
	AlertTemperature = "TEMPERATURE_OUT_OF_RANGE"
	AlertHumidity    = "HIGH_HUMIDITY"
	AlertBattery     = "LOW_BATTERY"
)

// Symbols of the enum Severity.
const (
	SeverityHigh   = "HIGH"
	SeverityMedium = "MEDIUM"
)
