package warehouse

import "github.com/millrace/millrace"

type table struct{}

type shaperState struct{}

func newShaper(ShaperOptions) (*Shaper, error)               { return &Shaper{}, nil }
func (s *shaperState) resume() millrace.Position             { return millrace.Position{} }
func (s *shaperState) configure(Settings) error              { return nil }
func (s *shaperState) add(Batch)                             {}
func (s *shaperState) take(bool) *Step                       { return &Step{} }
func (s *shaperState) done(*Step)                            {}
func (s *shaperState) bounds() (low, high millrace.Position) { return }
func (s *Step) refuse(*Buffer, []int, string)                {}
func (s *Step) keepBigInt(*Buffer, *Vector)                  {}
