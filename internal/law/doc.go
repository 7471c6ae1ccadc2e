// Package law is the oracle of any pipeline: what a cluster left in Kafka must equal what one
// undisturbed pass of the same pipeline over the same input leaves, whatever was killed, frozen,
// retried or moved meanwhile.
//
// Spec makes a verify.Spec whose Model is the engine itself without a cluster: an OfflineTask that
// is fed one record at a time, in the order that package verify reconstructs from the inputs and
// the ticks, and that seals and applies an epoch after each. verify.Check then compares outputs,
// dead letters, late records, state and ledger: outputs and state as bytes, schema ids included.
//
// What it finds is the work of everything around the core: what was lost, repeated, reordered,
// restored wrongly, or judged by another watermark. What it does not find is what the pipeline does
// wrong in the same way every time, for the model does it too: that takes a model of its own, as
// the pipelines under `pipelines` have, or expectations.
//
// It holds under these conditions, and raises false alarms without them:
//
//   - the pipeline keeps the law of processortest.Exactly, and its enrichments give the same answer
//     twice;
//   - it sheds nothing, and its outputs carry their provenance (Spec refuses others);
//   - all state was written by this version of the pipeline: an entry that an older schema wrote
//     and nobody touched since has other bytes;
//   - topics have the size limits that Pawl gives them, so that the same records are too large;
//   - a pipeline with a table, or with three inputs or more, does not write into state or outputs
//     which tick an idle timer was fired by (Context.Offset there): the model counts more ticks,
//     because it never has two records to choose from.
//
// Files: law.go (Spec), model.go (the pass over one task's input).
package law
