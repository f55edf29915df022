package app

import (
	"context"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/serve/job"
)

// rebuilt is the result of a rebuild as the API shows it.
type rebuilt struct {
	Records  int64             `json:"records"`
	Received int64             `json:"received"` // of the records, those of the time asked for
	Rows     int64             `json:"rows"`
	Discards int64             `json:"discards"`
	At       millrace.Position `json:"at"`
	Seconds  float64           `json:"seconds"`
	Tables   []rebuiltTable    `json:"tables"`
}

type rebuiltTable struct {
	Table  string `json:"table"`
	Before int64  `json:"rows_before"`
	After  int64  `json:"rows_after"`
}

// verified is the result of a verification as the API shows it.
type verified struct {
	OK        bool              `json:"ok"`
	Problems  []string          `json:"problems"`
	Lost      []string          `json:"lost,omitempty"` // frames of the log that were given up
	First     millrace.Position `json:"first,omitzero"`
	Through   millrace.Position `json:"through"`
	Files     int64             `json:"files,omitempty"`
	Frames    uint64            `json:"frames,omitempty"`
	Records   int64             `json:"records"`
	Destroyed uint64            `json:"destroyed,omitempty"` // of the records, those whose key was destroyed
	Locked    uint64            `json:"locked,omitempty"`    // and those whose key cannot be had
	SizeBytes int64             `json:"size_bytes"`
}

func (a *App) verifyArchive(ctx context.Context, progress func(job.Progress)) (any, error) {
	r, err := a.archive.Verify(ctx, func(done, total int64) {
		progress(job.Progress{Done: done, Total: total, Unit: "bytes"})
	})
	if err != nil {
		return nil, err
	}
	v := verified{OK: len(r.Problems) == 0, Problems: []string{}, Through: r.Through, Files: r.Files, Records: r.Records, SizeBytes: r.Bytes}
	for _, p := range r.Problems {
		v.Problems = append(v.Problems, p.Object+": "+p.What+": "+p.Do)
	}
	for _, lost := range a.log.Lost() {
		v.Lost = append(v.Lost, lost.String()+"; unless it had them before, the archive does not have their records")
	}
	return v, nil
}

func (a *App) verifyLog(ctx context.Context, progress func(job.Progress)) (any, error) {
	r, err := a.log.Verify(ctx, func(done, total int64) {
		progress(job.Progress{Done: done, Total: total, Unit: "frames"})
	})
	if err != nil {
		return nil, err
	}
	return verified{
		OK: r.Broken == 0, Problems: append([]string{}, r.Problems...), Lost: r.Lost,
		First: r.First, Through: r.Last, Frames: r.Frames, Records: int64(r.Records), Destroyed: r.Destroyed, Locked: r.Locked, SizeBytes: r.SizeBytes,
	}, nil
}
