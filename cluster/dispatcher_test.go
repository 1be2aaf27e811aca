package cluster

import (
	"testing"
)

func TestADispatcherRunsWhatIsScheduledWhileEverythingElseWaits(t *testing.T) {
	t.Parallel()
	d := newDispatcher(t.Context().Done())
	release, done := make(chan struct{}), make(chan struct{})
	const many = 3 * maxIdle
	for range many {
		d.Schedule(func() { <-release; done <- struct{}{} })
	}
	d.Schedule(func() { close(release) })
	for range many {
		<-done
	}
	for range many {
		d.Schedule(func() { done <- struct{}{} })
		<-done
	}
}

func TestADispatcherWorksAfterItsEnd(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	close(closed)
	d := newDispatcher(closed)
	for range 2 {
		done := make(chan struct{})
		d.Schedule(func() { close(done) })
		<-done
	}
}
