// Package iot watches sensors: an anomaly becomes an alert, once within a set time; each reading
// goes on with what is known of its device; and each sensor's last minutes are summed up, exactly,
// whatever order its readings arrived in.
//
// Input is the topic iot-sensors, keyed by sensor_id. One reading at event time t leads to, in
// this order:
//
//	iot-alerts          a SensorAlert per anomaly, unless the last one of its sensor and type was
//	                    less than iot.alert.repeat before t, or after it
//	processed-iot-data  the reading and its device, or enriched=false
//	iot-stats           the SensorStats of (t − iot.span, t], when it is the sensor's first, or
//	                    iot.emit.interval or more after the one that last led to statistics
//
// Lateness is judged once, before everything else: a reading more than iot.grace below the
// watermark goes to the late topic and reaches nothing. So every reading that counts somewhere
// counts everywhere. Absurd values are dead-lettered.
//
// State, per sensor:
//
//	sensor       (sensor, ms, input, offset)  → Sample, while ms > watermark − grace − span
//	sensor-last  (sensor)                     → when statistics were last emitted
//	alerts-last  (sensor, type)               → when the alert was last raised, while an accepted
//	                                            reading can still fall within its repeat time
//	timers-…     when to forget
//
// Values are added up in order of time, and of arrival where times are equal, so that sums of
// doubles agree bit for bit whoever adds.
//
// Files, in the order of a record's path: config.go (settings), pipeline.go (the topology),
// check.go (absurd values), alarm.go (alerts), enrich.go (devices), stats.go (statistics). Beside
// the path: oracle.go and summary.go (the same meaning as sorted slices and loops; every test
// compares with them), canonical.go (state in a form that can be compared), generator.go and
// poison.go (seeded load). Package devices is a service to find devices with.
package iot
