package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// restartWait is how long Resume and Query wait for a child that is being restarted.
const restartWait = 5 * time.Second

// answerLimit is how long a request other than a query may take before the
// child is taken for hung: copying the rows of a large rebuild takes longest.
const answerLimit = time.Hour

// Resume forgets what is not committed. See warehouse.Warehouse.
func (w *Warehouse) Resume(ctx context.Context, workspace string) (millrace.Position, error) {
	p, err := w.supervisor.process(ctx, restartWait)
	if err != nil {
		return millrace.Position{}, err
	}
	w.mu.Lock()
	settings := w.settings[workspace]
	delete(w.lives, workspace)
	w.mu.Unlock()
	if _, err := w.call(ctx, p, request{Op: opConfigure, Workspace: workspace, Settings: &settings}, nil); err != nil {
		return millrace.Position{}, err
	}
	res, err := w.call(ctx, p, request{Op: opResume, Workspace: workspace}, nil)
	if err != nil {
		return millrace.Position{}, err
	}
	w.mu.Lock()
	w.lives[workspace] = p.life
	w.mu.Unlock()
	return res.After, nil
}

// Configure sets how records are shaped. See warehouse.Warehouse.
func (w *Warehouse) Configure(ctx context.Context, workspace string, s warehouse.Settings) error {
	p, err := w.supervisor.process(ctx, restartWait)
	if err != nil {
		return err
	}
	if _, err := w.call(ctx, p, request{Op: opConfigure, Workspace: workspace, Settings: &s}, nil); err != nil {
		return err
	}
	w.mu.Lock()
	w.settings[workspace] = s
	w.mu.Unlock()
	return nil
}

// Apply takes records. See warehouse.Warehouse.
func (w *Warehouse) Apply(ctx context.Context, workspace string, b warehouse.Batch) (warehouse.Progress, error) {
	p, err := w.resumed(ctx, workspace)
	if err != nil {
		return warehouse.Progress{}, err
	}
	res, err := w.call(ctx, p, request{Op: opApply, Workspace: workspace, Through: b.Through, Flush: b.Flush, Spare: b.Spare, Reason: b.Reason}, b.Entries)
	if err != nil {
		// Whether the batch was committed is not known: begin from what was.
		w.mu.Lock()
		delete(w.lives, workspace)
		w.mu.Unlock()
		if p.diedAlone() {
			err = warehouse.Suspect(err) // while it had the batch
		}
	}
	return res.Progress, err
}

// resumed returns the child if the workspace was resumed in this life of it.
func (w *Warehouse) resumed(ctx context.Context, workspace string) (*process, error) {
	if err := w.refuseDropped(workspace); err != nil {
		return nil, err
	}
	p, err := w.supervisor.process(ctx, 0)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	life := w.lives[workspace]
	w.mu.Unlock()
	if life != p.life {
		return nil, millrace.Errorf(millrace.Unavailable, "the warehouse engine was restarted, and loading begins again from what is committed")
	}
	return p, nil
}

// call sends a request with its entries and returns the child's answer.
func (w *Warehouse) call(ctx context.Context, p *process, req request, entries []eventlog.Entry) (result, error) {
	if req.Op != opDrop {
		if err := w.refuseDropped(req.Workspace); err != nil {
			return result{}, err
		}
	}
	conn, err := p.dial()
	if err != nil {
		return result{}, p.ended(nil, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	hung := time.AfterFunc(answerLimit, func() {
		p.kill(verdict{kind: millrace.Unavailable, message: fmt.Sprintf("it did not answer for %s", answerLimit)})
	})
	defer hung.Stop()
	res, err := exchange(newWire(conn), req, entries)
	switch {
	case err == nil:
		return res, nil
	case ctx.Err() != nil:
		return result{}, millrace.Errorf(millrace.Canceled, "%s: %w", req.Op, ctx.Err())
	case isAnswer(err):
		return result{}, err
	}
	return result{}, p.ended(nil, err)
}

// exchange sends a request and reads its one answer.
func exchange(wire *wire, req request, entries []eventlog.Entry) (result, error) {
	payload, err := json.Marshal(req)
	if err != nil {
		return result{}, err
	}
	if err := wire.send(messageRequest, payload); err != nil {
		return result{}, err
	}
	if err := wire.sendEntries(entries); err != nil {
		return result{}, err
	}
	t, payload, err := wire.receive()
	if err != nil {
		return result{}, err
	}
	return decodeAnswer(t, payload)
}

// decodeAnswer reads the last message of a request.
func decodeAnswer(t messageType, payload []byte) (result, error) {
	switch t {
	case messageResult:
		var res result
		err := json.Unmarshal(payload, &res)
		return res, err
	case messageFailure:
		var f failure
		if err := json.Unmarshal(payload, &f); err != nil {
			return result{}, err
		}
		return result{}, f.err()
	}
	return result{}, fmt.Errorf("the warehouse engine answered with a message of type %d", t)
}

// isAnswer says whether the child itself gave the error.
func isAnswer(err error) bool {
	var e *millrace.Error
	return errors.As(err, &e)
}

// Shadow begins a rebuild. See warehouse.Warehouse.
func (w *Warehouse) Shadow(ctx context.Context, workspace string, o warehouse.ShadowOptions) (warehouse.Shadow, error) {
	p, err := w.resumed(ctx, workspace)
	if err != nil {
		return nil, err
	}
	res, err := w.call(ctx, p, request{Op: opShadowBegin, Workspace: workspace, Shadow: &o}, nil)
	if err != nil {
		return nil, err
	}
	return &remoteShadow{w: w, p: p, workspace: workspace, id: res.ShadowID}, nil
}

// A remoteShadow is a rebuild in the child; it ends with the child's life.
type remoteShadow struct {
	w         *Warehouse
	p         *process
	workspace string
	id        uint64
	swapped   bool
}

func (s *remoteShadow) call(ctx context.Context, req request, entries []eventlog.Entry) (result, error) {
	req.Workspace, req.ShadowID = s.workspace, s.id
	return s.w.call(ctx, s.p, req, entries)
}

// Apply takes records in order.
func (s *remoteShadow) Apply(ctx context.Context, b warehouse.Batch) (warehouse.Progress, error) {
	res, err := s.call(ctx, request{Op: opShadowApply, Through: b.Through, Flush: b.Flush}, b.Entries)
	return res.Progress, err
}

// Compare counts the rows, live and shadow.
func (s *remoteShadow) Compare(ctx context.Context) ([]warehouse.TableCount, error) {
	res, err := s.call(ctx, request{Op: opShadowCompare}, nil)
	return res.Counts, err
}

// Swap puts the shadow in the place of the live tables. The loader has to
// Resume after it. When the answer is lost it may have happened.
func (s *remoteShadow) Swap(ctx context.Context, at millrace.Position) error {
	s.w.mu.Lock()
	delete(s.w.lives, s.workspace)
	s.w.mu.Unlock()
	_, err := s.call(ctx, request{Op: opShadowSwap, Through: at}, nil)
	s.swapped = err == nil
	return err
}

// Discard removes the shadow.
func (s *remoteShadow) Discard(ctx context.Context) error {
	if s.swapped {
		return nil
	}
	_, err := s.call(ctx, request{Op: opShadowDiscard}, nil)
	if millrace.KindOf(err) == millrace.Unavailable {
		return nil // it is gone already, or the next opening removes it
	}
	return err
}
