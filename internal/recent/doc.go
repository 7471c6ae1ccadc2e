// Package recent knows the newest committed records of a topic: what it shows was committed, and an
// answer that may lack a committed record names the partition.
//
// A question is answered when every partition has been read to where its log ended when the
// question came. What other writers had committed by then is in it, also where the markers of their
// transactions had yet to arrive; a transaction that stays open leaves its partition behind.
//
// Nothing is read while nobody asks: the first question, or the first one to hold the reader, opens
// a client that belongs to no group and begins shortly before the end; it is closed after a while
// without either.
//
// Files: reader.go (who asks), session.go (reading), record.go (what is kept of a record).
package recent
