package secret

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

const (
	// MasterVariable is the environment variable that holds the master keys:
	// base64 of 32 bytes each, the newest first, with commas or space between.
	MasterVariable = "MILLRACE_MASTER_KEY"
	// MasterFileVariable names a file with the master keys, one a line.
	MasterFileVariable = "MILLRACE_MASTER_KEY_FILE"
	// MasterFile is the file in the data folder when neither is set.
	MasterFile = "master.key"

	maxMasterFileBytes = 64 << 10
)

// masters are the master keys of a process: the first wraps, all unwrap.
type masters struct {
	keys  []master
	where string // for people: where they come from
	file  string // that they come from, or empty
	made  bool   // just now
}

type master struct {
	id  string
	key *Key
}

func newMaster(secret []byte) master {
	sum := sha256.Sum256(append([]byte("millrace master key id 1\n"), secret...))
	return master{"m_" + hex.EncodeToString(sum[:8]), newKey(0, secret)}
}

func (m *masters) current() master { return m.keys[0] }

func (m *masters) find(id string) (master, bool) {
	i := slices.IndexFunc(m.keys, func(k master) bool { return k.id == id })
	if i < 0 {
		return master{}, false
	}
	return m.keys[i], true
}

func (m *masters) ids() string {
	var ids []string
	for _, k := range m.keys {
		ids = append(ids, k.id)
	}
	return strings.Join(ids, ", ")
}

// loadMasters reads the master keys from where they are. A key is made, in the
// data folder, only when there is none at all and mayMake, which is when nothing
// was encrypted yet.
func loadMasters(getenv func(string) (string, bool), folder string, mayMake bool) (*masters, error) {
	text, inEnvironment := getenv(MasterVariable)
	file, named := getenv(MasterFileVariable)
	switch {
	case inEnvironment && named:
		return nil, millrace.Errorf(millrace.Invalid, "both %s and %s are set: set one of them", MasterVariable, MasterFileVariable)
	case inEnvironment:
		return parseMasters(text, "the environment variable "+MasterVariable)
	case !named && folder == "":
		return nil, millrace.Errorf(millrace.Invalid, "there is no master key: set %s or %s", MasterVariable, MasterFileVariable)
	case !named:
		file = filepath.Join(folder, MasterFile)
	}
	m, err := readMasters(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if !mayMake {
		return nil, millrace.Errorf(millrace.Invalid, "the master key is missing: %s does not exist, and secrets are encrypted already. Put the file back from where it was kept, or set %s; without it they cannot be read, and a new key would not help", file, MasterVariable)
	}
	if named {
		return nil, millrace.Errorf(millrace.Invalid, "the master key is missing: %s names %s, which does not exist. Write 32 random bytes as base64 to it, readable by its owner alone: (umask 077; openssl rand -base64 32 > %s)", MasterFileVariable, file, file)
	}
	if err := makeMaster(file); err != nil {
		return nil, fmt.Errorf("the master key cannot be made: %w", err)
	}
	if m, err = readMasters(file); err == nil {
		m.made = true
	}
	return m, err
}

func readMasters(file string) (*masters, error) {
	f, err := os.Open(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, millrace.Errorf(millrace.Invalid, "the master key cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, millrace.Errorf(millrace.Invalid, "others than its owner can read the master key %s (mode %04o): chmod 600 %s, and think about a new one", file, info.Mode().Perm(), file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMasterFileBytes))
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "the master key cannot be read: %w", err)
	}
	m, err := parseMasters(string(text), "the file "+file)
	if err == nil {
		m.file = file
	}
	return m, err
}

// parseMasters reads keys. Its errors say which one is wrong, not what it is.
func parseMasters(text, where string) (*masters, error) {
	m := &masters{where: where}
	for i, field := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' }) {
		secret, err := base64.StdEncoding.DecodeString(field)
		if err != nil {
			secret, err = base64.RawURLEncoding.DecodeString(field)
		}
		if err != nil || len(secret) != keyBytes {
			return nil, millrace.Errorf(millrace.Invalid, "master key %d in %s is not base64 of %d bytes: make one with openssl rand -base64 32", i+1, where, keyBytes)
		}
		k := newMaster(secret)
		if _, twice := m.find(k.id); !twice {
			m.keys = append(m.keys, k)
		}
	}
	if len(m.keys) == 0 {
		return nil, millrace.Errorf(millrace.Invalid, "%s holds no master key: it has to hold base64 of %d bytes", where, keyBytes)
	}
	return m, nil
}

// makeMaster writes a new key to a file that is not there. When another process
// was faster its key stays.
func makeMaster(file string) error {
	return writeKeyFile(file, []string{base64.StdEncoding.EncodeToString(newSecret())}, func(made, file string) error {
		if err := os.Link(made, file); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return os.Remove(made)
	})
}

// writeKeyFile writes lines to a file beside it, durably, and has it put in place.
func writeKeyFile(file string, lines []string, place func(made, file string) error) error {
	folder := filepath.Dir(file)
	f, err := os.CreateTemp(folder, filepath.Base(file)+".*.tmp") // for its owner alone
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, strings.Join(lines, "\n")+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = place(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// AddMasterKey puts a new master key before the ones of a file, so that it wraps
// from the next start on: the first step of re-keying. It returns its id.
func AddMasterKey(file string) (id string, err error) {
	old, err := readMasters(file)
	if err != nil {
		return "", err
	}
	fresh := newSecret()
	lines := []string{base64.StdEncoding.EncodeToString(fresh)}
	for _, k := range old.keys {
		lines = append(lines, base64.StdEncoding.EncodeToString(k.key.secret()))
	}
	return newMaster(fresh).id, writeKeyFile(file, lines, os.Rename)
}

// DropMasterKeys leaves only the newest master key of a file: the last step of
// re-keying, after KeyRing.Rewrap said that nothing is wrapped by others.
func DropMasterKeys(file string) error {
	old, err := readMasters(file)
	if err != nil {
		return err
	}
	return writeKeyFile(file, []string{base64.StdEncoding.EncodeToString(old.current().key.secret())}, os.Rename)
}
