package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"pawl/processor"
)

// checkpoints are the counters of checkpoints taken.
type checkpoints struct {
	written, failed, uploaded *prometheus.CounterVec
}

func declareCheckpoints(byTask func(name, help string) *prometheus.CounterVec) checkpoints {
	return checkpoints{
		written: byTask("pawl_checkpoints_total", "Checkpoints written."),
		failed: byTask("pawl_checkpoint_failures_total",
			"Checkpoints that could not be written; each is tried again."),
		uploaded: byTask("pawl_checkpoint_uploaded_bytes_total",
			"Bytes uploaded for checkpoints, failed ones included."),
	}
}

// told counts one checkpoint.
func (c *checkpoints) told(i processor.CheckpointInfo) {
	c.uploaded.WithLabelValues(i.Task).Add(float64(i.Uploaded))
	written, failed := c.written.WithLabelValues(i.Task), c.failed.WithLabelValues(i.Task)
	switch i.Result {
	case processor.CheckpointWritten:
		written.Inc()
	case processor.CheckpointFailed:
		failed.Inc()
	}
}
