package workload

import (
	"context"
	"fmt"
)

// Wake puts a schedule on sale and asks for a place in it, which has it loaded, until somebody
// answers. It fails if nobody has when ctx ends.
func (f *Fleet) Wake(ctx context.Context) error {
	id, err := f.addSchedule(ctx, map[string]any{"capacity": 1})
	if err != nil {
		return err
	}
	u, err := f.register(ctx, "first comer", 0)
	if err != nil {
		return err
	}
	for node := 0; ctx.Err() == nil; node = (node + 1) % len(f.cfg.URLs) {
		if op := f.api.send(ctx, preparer, node, u.join(id)); op.Result.Definite() {
			return nil
		}
		rest(ctx, pollEvery)
	}
	return fmt.Errorf("schedule %d is not loaded: %w", id, ctx.Err())
}
