package send

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/client"
)

// stateVersion is of the state's file. Another version is as if there were none.
const stateVersion = 1

// A state is how far a file has got. It is a convenience: without it, sending
// again sends every row with the same ID as before.
type state struct {
	Version int    `json:"version"`
	Path    string `json:"path"` // for people
	Source  string `json:"source"`
	Event   string `json:"event"`
	Server  string `json:"server"`
	Result
	// Ranges are accepted and not judged yet.
	Ranges []client.Range `json:"ranges,omitempty"`
}

type stateFile struct{ path string }

func openState(dir, fingerprint string) stateFile {
	if dir == "" {
		return stateFile{}
	}
	return stateFile{filepath.Join(dir, fingerprint+".json")}
}

func (f stateFile) load() (state, bool) {
	var s state
	if f.path == "" {
		return s, false
	}
	data, err := os.ReadFile(f.path)
	if err != nil || json.Unmarshal(data, &s) != nil || s.Version != stateVersion || s.Rows < 0 {
		return state{}, false
	}
	return s, true
}

// save replaces the state. What is lost in a crash is sent again.
func (f stateFile) save(s state) error {
	if f.path == "" {
		return nil
	}
	s.Version = stateVersion
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	next := f.path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, f.path)
}

// statesKept is how long a state is of use: no one goes on after a year.
const statesKept = 400 * 24 * time.Hour

// prune removes states that are older than any that is of use.
func (f stateFile) prune(now time.Time) {
	if f.path == "" {
		return
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(f.path), "*.json"))
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && now.Sub(info.ModTime()) > statesKept {
			_ = os.Remove(name)
		}
	}
}

// DefaultStateDir is where states are kept: millrace/send in the user's folder
// for state, "" when there is none.
func DefaultStateDir(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "millrace", "send")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "millrace", "send")
	}
	return ""
}
