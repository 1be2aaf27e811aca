//go:build long

package main

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/chaos/mutant"
)

// The long mode takes some half an hour: go test -tags long -timeout 90m ./chaos

// TestSeedsPass lets every fault that this machine can inject come, for a minute each.
func TestSeedsPass(t *testing.T) {
	for _, seed := range []string{"1", "2"} {
		t.Run(seed, func(t *testing.T) {
			v := harness(t, "-seed", seed, "-minutes", "1", "-tags", "failpoint", "-clients", "24", "-slowdown", "2")
			require.Equal(t, pass, v.Result)
		})
	}
}

// TestMutantsFail takes one safeguard out of the program at a time, and wants the check that
// is there for it to notice. Some are only seen when a request meets a fault at the right
// moment: they get some seeds to be seen in.
func TestMutantsFail(t *testing.T) {
	const seeds = 10
	for _, m := range mutant.All() {
		t.Run(m.Name, func(t *testing.T) {
			var failed []string
			for seed := 1; seed <= seeds; seed++ {
				v := harness(t, "-seed", strconv.Itoa(seed), "-minutes", "0.7", "-mutant", m.Name,
					"-faults", m.Faults, "-clients", "24", "-slowdown", "2")
				for _, violation := range v.Violations {
					if violation.Check == m.Check {
						return
					}
					failed = append(failed, violation.Check)
				}
			}
			t.Fatalf("%q did not notice that the program lacks %s; what failed: %q", m.Check, m.Lacks, failed)
		})
	}
}
