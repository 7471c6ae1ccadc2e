package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pawl/processor"
)

// collector asks the instance for a snapshot when it is scraped.
type collector struct {
	status func() processor.Status

	instance, task, openTxn         *prometheus.Desc
	lag, lsoLag, offset             *prometheus.Desc
	restore, watermark, behind      *prometheus.Desc
	overlay, cache, buffered, epoch *prometheus.Desc
	rung, checkpoint, stored        *prometheus.Desc
	standby, hot                    *prometheus.Desc
}

func newCollector(status func() processor.Status) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &collector{
		status:   status,
		instance: desc("pawl_instance_state", "1 for the state the instance is in.", "state"),
		task:     desc("pawl_task_state", "1 for the state the task is in.", "task", "state"),
		openTxn: desc("pawl_open_transaction_age_seconds",
			"Age of the transaction in flight, 0 when there is none."),
		lag: desc("pawl_consumer_lag",
			"Records from the committed offset to the end of the input partition.",
			"topic", "partition"),
		lsoLag: desc("pawl_lso_lag",
			"Records from the last stable offset to the end of the input partition: what a "+
				"producer's open transaction hides.", "topic", "partition"),
		offset: desc("pawl_committed_offset", "Committed offset of the input partition.",
			"topic", "partition"),
		restore: desc("pawl_restore_progress", "Share of the task's restore that is done, 0 to 1.",
			"task"),
		watermark: desc("pawl_watermark_seconds", "The task's watermark in Unix time.", "task"),
		behind: desc("pawl_watermark_lag_seconds",
			"How far the task's watermark is behind the clock.", "task"),
		stored: desc("pawl_state_bytes",
			"Size of the task's store on disk, as of its last write.", "task"),
		overlay: desc("pawl_overlay_bytes", "Uncommitted state of the task.", "task"),
		cache:   desc("pawl_cache_bytes", "Decoded state that the task keeps at hand.", "task"),
		buffered: desc("pawl_buffered_bytes", "Committed state on its way to the task's store.",
			"task"),
		epoch: desc("pawl_task_epoch", "Last committed epoch of the task.", "task"),
		standby: desc("pawl_standby_lag", "Changelog records that this instance's copy of a task "+
			"that runs elsewhere lacks; -1 while that is not known.", "task"),
		rung: desc("pawl_restore_rung", "1 for what the task's state was restored from: local, "+
			"local-and-tail, checkpoint-and-tail or changelog.", "task", "rung"),
		hot: desc("pawl_hot_key_share", "Share of the task's records of the last minutes that its "+
			"hottest key takes; 0 while none takes 5 %.", "task"),
		checkpoint: desc("pawl_checkpoint_age_seconds",
			"Since the task's newest checkpoint was taken; absent while there is none.", "task"),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.instance, c.task, c.openTxn, c.lag, c.lsoLag, c.offset,
		c.restore, c.watermark, c.behind, c.stored, c.overlay, c.cache, c.buffered, c.epoch, c.rung,
		c.checkpoint, c.standby, c.hot} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.status()
	if s.State != "" {
		gauge(c.instance, 1, s.State)
	}
	gauge(c.openTxn, s.OpenTransaction.Seconds())
	for _, t := range s.Tasks {
		gauge(c.task, 1, t.Name, string(t.State))
		gauge(c.restore, t.RestoreDone, t.Name)
		gauge(c.overlay, float64(t.OverlayBytes), t.Name)
		gauge(c.cache, float64(t.CacheBytes), t.Name)
		gauge(c.buffered, float64(t.BufferedBytes), t.Name)
		gauge(c.stored, float64(t.StoredBytes), t.Name)
		gauge(c.epoch, float64(t.Epoch), t.Name)
		hottest := 0.0
		if len(t.HotKeys) > 0 {
			hottest = t.HotKeys[0].Share
		}
		gauge(c.hot, hottest, t.Name)
		if t.Rung != "" {
			gauge(c.rung, 1, t.Name, string(t.Rung))
		}
		if t.Checkpoint.ID != "" {
			gauge(c.checkpoint, time.Since(t.Checkpoint.Created).Seconds(), t.Name)
		}
		if t.Watermark.Year() > 1 { // else there was no record yet
			gauge(c.watermark, float64(t.Watermark.UnixMilli())/1000, t.Name)
			gauge(c.behind, time.Since(t.Watermark).Seconds(), t.Name)
		}
	}
	for _, sb := range s.Standbys {
		gauge(c.standby, float64(sb.Lag), sb.Name)
	}
	for _, in := range behind(s.Tasks) {
		partition := strconv.Itoa(int(in.Partition))
		gauge(c.lag, float64(max(in.End-max(in.Offset, 0), 0)), in.Topic, partition)
		gauge(c.lsoLag, float64(max(in.End-in.LSO, 0)), in.Topic, partition)
		gauge(c.offset, float64(in.Offset), in.Topic, partition)
	}
}

// place is an input partition.
type place struct {
	topic     string
	partition int32
}

// behind lists the input partitions. Where several tasks read one, as they do of a global topic, it
// stands where the last of them does.
func behind(tasks []processor.TaskStatus) map[place]processor.InputStatus {
	all := make(map[place]processor.InputStatus)
	for _, t := range tasks {
		for _, in := range t.Inputs {
			at := place{in.Topic, in.Partition}
			if other, ok := all[at]; ok {
				in.Offset = min(in.Offset, other.Offset)
				in.End, in.LSO = max(in.End, other.End), max(in.LSO, other.LSO)
			}
			all[at] = in
		}
	}
	return all
}
