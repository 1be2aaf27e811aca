// Package mutant removes one safeguard from the program, to test whether the chaos harness
// notices.
//
// A mutant is a few edits of source files, made on copies that the compiler is given
// instead (go build -overlay). The program itself has no switch that could leave a
// safeguard out, and what is not in the sources cannot be in a release. An edit whose
// text is no longer there, exactly once, is an error and fails this package's tests:
// whoever changes a safeguard changes the mutant with it.
package mutant
