// Package devices is a small HTTP service that knows the devices behind the sensors, and its
// client: what it answers for a sensor follows from the sensor's id alone, so that whoever asks
// again, or works it out with Of, gets the same.
//
//	GET /devices/{sensor_id}  → 200 {"model":…,"firmware":…,"site":…}, 404 for an unknown device,
//	                            400 for an id that is none
//	POST /slow?d=200ms        → every look-up takes that long from now on; 0s: at once
//	POST /down?on=true        → every look-up is answered with 503; on=false: no longer
//
// Most sensors have a device; about one in 64 does not.
//
// Files: devices.go (the devices), service.go (the service), client.go (the client).
package devices
