package actors

import (
	"time"

	"boxoffice"
)

// keys answers the operations of one batch that have idempotency keys: the first with a key
// has its effect, and later ones get that answer. Only the journal knows whether a key was
// used before the batch; it then refuses the key.
type keys struct {
	batch *batch
	used  map[boxoffice.IdempotencyKey]keyUse // by scope: without digest
}

// keyUse is the first use of a key, as far as a batch knows: an operation of this batch,
// whose answer it is, or one that the journal found when it refused an operation with this
// digest.
type keyUse struct {
	digest  [32]byte
	answer  boxoffice.Answer
	refusal *boxoffice.CommitRefusal
}

func keysOf(b *batch) keys {
	return keys{batch: b, used: make(map[boxoffice.IdempotencyKey]keyUse)}
}

// answer returns the outcome of an operation: the answer that the journal or this batch has
// for its key, or the result of decide, which gets the journal's refusal of the operation,
// if any.
func (k keys) answer(op boxoffice.Operation, decide func(*boxoffice.CommitRefusal) boxoffice.Outcome) boxoffice.Outcome {
	now := k.batch.now
	keyed := !op.Key.IsZero()
	scope := op.Key
	scope.Digest = [32]byte{}
	var refusal *boxoffice.CommitRefusal
	if r, ok := k.batch.refusals[op.ID]; ok {
		refusal = &r
	}
	if refusal != nil && refusal.Reason == boxoffice.RefusedKey {
		k.used[scope] = keyUse{digest: op.Key.Digest, refusal: refusal}
		return stored(*refusal, op, now)
	}
	if first, ok := k.used[scope]; keyed && ok {
		if outcome, known := first.outcome(op, now); known {
			return outcome
		}
	}
	outcome := decide(refusal)
	if keyed && outcome.Storable() {
		answer := boxoffice.Answer{OperationID: op.ID, Key: op.Key, Outcome: outcome}
		k.used[scope] = keyUse{digest: op.Key.Digest, answer: answer}
		k.batch.answers = append(k.batch.answers, answer)
	}
	return outcome
}

// outcome returns the answer to a later operation with the key; false if only the journal
// knows whether it is the request that the key belongs to.
func (u keyUse) outcome(op boxoffice.Operation, now time.Time) (boxoffice.Outcome, bool) {
	switch same := u.digest == op.Key.Digest; {
	case u.refusal == nil && same:
		outcome := u.answer.Outcome
		outcome.Replayed = u.answer.OperationID != op.ID
		return outcome, true
	case u.refusal == nil:
		return keyReused(now), true
	case same:
		return stored(*u.refusal, op, now), true
	case u.refusal.SameRequest:
		return keyReused(now), true
	default:
		return boxoffice.Outcome{}, false
	}
}

// stored returns the answer that an earlier request with the same key got. If that request
// is this very operation, delivered twice, the answer is not marked as replayed.
func stored(refusal boxoffice.CommitRefusal, op boxoffice.Operation, now time.Time) boxoffice.Outcome {
	if !refusal.SameRequest {
		return keyReused(now)
	}
	outcome := refusal.Stored
	outcome.Replayed = refusal.StoredID != op.ID
	return outcome
}

func keyReused(now time.Time) boxoffice.Outcome {
	return boxoffice.Outcome{At: now, Refusal: boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused,
		"this idempotency key was used for another request")}
}
