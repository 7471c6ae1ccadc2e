package processor

// Crash ends the instance as a kill would: nothing is sealed, committed, flushed or left.
func (in *Instance) Crash() {
	in.cancel(errCrash)
	<-in.done
}
