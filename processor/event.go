package processor

import "time"

// A Listener is told what the engine does. Every field may be nil. Functions are called from
// engine goroutines, must return quickly and must not call back into the instance.
type Listener struct {
	// InstanceState fires when the instance's state changes.
	InstanceState func(InstanceStateInfo)
	// TaskState fires when a task enters a state, with the reason when it is not healthy.
	TaskState func(TaskStateInfo)
	// Restore fires repeatedly while a task reads its changelog, and once with Done set.
	Restore func(RestoreInfo)
	// Standby fires when the copy of a task that runs elsewhere enters a state.
	Standby func(StandbyStatus)
	// Checkpoint fires when a checkpoint of a task was taken, or failed.
	Checkpoint func(CheckpointInfo)
	// Startup fires once, at the first commit of records with all tasks running, with what that
	// took.
	Startup func(StartupInfo)
	// EpochCommitted fires after an epoch's transaction committed and its state was applied.
	EpochCommitted func(EpochInfo)
	// EpochAborted fires after an epoch was given up; its records will be processed again.
	EpochAborted func(AbortInfo)
	// DeadLettered fires for each record sent to the dead-letter topic, once its epoch committed.
	DeadLettered func(DeadLetterInfo)
	// Waiting fires when the engine starts or goes on waiting for something outside it: an
	// unreachable broker, a registry that does not answer, another writer's open transaction.
	Waiting func(WaitInfo)
	// Enriched fires after each call of an Enrichment's service, and for each record that needed
	// none because another's answer served it.
	Enriched func(EnrichInfo)
	// Breaker fires when the circuit breaker of a task's Enrichment opens, tries again or closes.
	Breaker func(BreakerInfo)
	// Tripped fires when a task is stopped because too many records would be dead letters.
	Tripped func(TripInfo)
	// Notice fires for facts an operator should read once, such as which promise holds.
	Notice func(text string)
	// Warning fires for what went wrong and was mended without help, such as a damaged store; nil
	// gives it to Notice.
	Warning func(text string)
}

// InstanceStateInfo names the state of an instance: CREATED, REBALANCING, RUNNING,
// PENDING_SHUTDOWN, NOT_RUNNING or ERROR.
type InstanceStateInfo struct {
	State    string
	Reason   string
	Instance string // the instance.id
}

// TaskStateInfo says what became of a task.
type TaskStateInfo struct {
	Task   string
	State  TaskState
	Reason string
}

// RestoreInfo is the progress of one task's restore.
type RestoreInfo struct {
	Task          string
	Records       int64 // changelog records read so far
	Bytes         int64 // their size in bytes
	Offset        int64 // next changelog offset to read
	Target        int64 // changelog offset the restore runs to; -1 while unknown
	WaitingFor    string
	Elapsed       time.Duration
	Done          bool
	FromLocalDisk bool // the store on disk was usable, so only the tail was read

	Rung           Rung          // what it restores from
	From           int64         // changelog offset that reading began at
	Checkpoint     string        // id of the one that is or was downloaded
	Downloaded     int64         // bytes of it
	DownloadSize   int64         // all of them
	DownloadOffset int64         // changelog offset at which it stands
	PerSecond      float64       // records, or bytes while a checkpoint is being downloaded
	Left           time.Duration // by what was done so far; 0 while unknown
}

// share is how much of the restore is done, 0 to 1.
func (r *RestoreInfo) share() float64 {
	at := float64(r.Offset)
	if r.Offset == 0 && r.DownloadSize > 0 {
		at = float64(r.DownloadOffset) * float64(r.Downloaded) / float64(r.DownloadSize)
	}
	return min(at/float64(max(r.Target, 1)), 1)
}

// EpochInfo describes one committed epoch of the instance.
type EpochInfo struct {
	Epoch    int64         // commits of this process so far
	Tasks    int           // tasks in it
	Records  int64         // input records in it
	Outputs  int64         // output records, dead letters and late records included
	Changes  int64         // changelog records
	Bytes    int64         // bytes produced, keys and values
	Duration time.Duration // begin to committed
	Open     time.Duration // first record processed to committed
	PerTask  []TaskEpoch
}

// TaskEpoch is one task's share of a committed epoch.
type TaskEpoch struct {
	Task         string
	Records      int64
	Dead         int64
	Late         int64
	Bytes        int64
	Deduplicated int64
	Filtered     int64
	Shed         int64
	Epoch        int64     // the task's own number of it, as its position record has
	Counted      []Counted // by the pipeline's Counters
	Watermark    time.Time
	// Latencies holds, per processed record, the time from its Kafka timestamp to the commit, in
	// milliseconds, bucketed by powers of two: Latencies[i] counts records under 1<<i ms.
	Latencies [24]uint32
}

// AbortInfo describes an epoch that was given up.
type AbortInfo struct {
	Reason string // short, fit for a metric label
	Err    error
	Epoch  int64    // the number it would have had, as in EpochInfo
	Tasks  []string // in it
	// Unconfirmed: the answer to EndTxn was lost; the outcome was settled by reading it back.
	Unconfirmed bool
}

// DeadLetterInfo names one record that went to the dead-letter topic.
type DeadLetterInfo struct {
	Task      string
	Topic     string
	Partition int32
	Offset    int64
	Epoch     int64 // the task's, as in TaskEpoch
	Exception string
	Message   string
}

// TripInfo says which of an input's records would have been dead letters in too great a number.
type TripInfo struct {
	Task      string
	Topic     string
	Exception string // the one seen most
}

// WaitInfo says what a task or the instance waits for.
type WaitInfo struct {
	Task string // empty for the instance
	What string
	For  time.Duration
}

// EnrichResult is how a call of an Enrichment's service ended.
type EnrichResult string

// Results of a call.
const (
	EnrichAnswered EnrichResult = "answered"
	EnrichError    EnrichResult = "error"   // another attempt may mend it
	EnrichRefused  EnrichResult = "refused" // a Permanent error
	EnrichCached   EnrichResult = "cached"  // no call: the answer for another record serves
)

// EnrichInfo describes one call of an Enrichment's service.
type EnrichInfo struct {
	Task       string
	Enrichment string
	Result     EnrichResult
	For        time.Duration // the call took
	Err        error
}

// BreakerInfo is the state of a circuit breaker: closed, half-open or open.
type BreakerInfo struct {
	Task       string
	Enrichment string
	State      string
}
