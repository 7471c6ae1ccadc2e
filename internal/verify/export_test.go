package verify

// PartitionOf lets the test compare the partitioner.
var PartitionOf = partitionOf
