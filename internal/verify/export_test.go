package verify

import "time"

// PartitionOf lets the test compare the partitioner.
var PartitionOf = partitionOf

// SetQuiet makes the test need less patience.
func (k *Kafka) SetQuiet(d time.Duration) { k.quiet = d }
