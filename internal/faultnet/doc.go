// Package faultnet loses chosen Kafka requests or their answers on the way: the only faults that
// leave a client not knowing what the broker did. An answer is lost only after the broker sent it,
// so what it answers did happen.
package faultnet
