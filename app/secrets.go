package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/terminal"
)

// secrets are what keeps and hides the values of secrets, in all spaces.
type secrets struct {
	// redactors stand before all that leaves the process, from the start on.
	redactors secret.Redactors
	keys      *secret.KeyRing
	vault     *secret.Vault
}

// openSecrets opens the keys that encrypt and the vault. The master key is made
// at the first start, and that is said once.
func (a *App) openSecrets(ctx context.Context) (err error) {
	if a.secrets.keys, err = secret.OpenKeyRing(ctx, secret.KeyRingOptions{Catalog: a.catalog, Folder: a.data.path, Now: a.o.Now, Record: a.audit.Append}); err != nil {
		return fmt.Errorf("cannot open the keys of secrets: %w", err)
	}
	if a.secrets.keys.Made() {
		file := a.secrets.keys.MasterFile()
		if whole, err := filepath.Abs(file); err == nil {
			file = whole
		}
		fmt.Fprintf(a.o.Stdout, "made the master key %s: keep a copy of it apart from the data and its backups; without it nobody can read what is encrypted\n", file)
		a.logger("secrets").Info("the master key was made: keep a copy of it apart from the data and its backups", "file", file)
	}
	a.secrets.vault, err = secret.New(secret.Options{
		Catalog: a.catalog, Keys: a.secrets.keys, Redactor: &a.secrets.redactors, Record: a.audit.Append, Now: a.o.Now, Logger: a.logger("secrets"),
	})
	return err
}

// runSecrets tends the vault until ctx ends.
func (a *App) runSecrets(ctx context.Context, do func(func() error)) {
	do(func() error {
		if err := a.secrets.vault.Run(ctx); err != nil {
			a.logger("secrets").Error("the last uses of secrets are not in the audit trail", "error", err)
		}
		return nil
	})
	do(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(knowAgain):
				a.knowSecrets()
			}
		}
	})
}

// knowAgain is how often the values that are in use are said again to what hides
// them, which forgets those that nobody uses after a day.
const knowAgain = time.Hour

func (a *App) knowSecrets() {
	for _, sp := range a.spaces.known() {
		lookup := sp.lookingOptions().Secrets
		for _, use := range sp.project.Load().Secrets {
			if _, _, err := lookup.Lookup(use.Reference); err != nil {
				a.logger("secrets").Debug("a secret that is in use is not there any more", "secret", use.Path, "error", err)
			}
		}
	}
}

// hiding hides the values of secrets in what is written, and what a terminal would obey.
type hiding struct {
	redactor *secret.Redactor
	to       io.Writer
}

func (h hiding) Write(text []byte) (int, error) {
	if _, err := io.WriteString(h.to, terminal.SanitizeLines(string(h.redactor.Bytes(text)))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// A hidden error says what another says, without the values of secrets.
type hidden struct {
	error
	text string
}

func (h hidden) Error() string { return h.text }
func (h hidden) Unwrap() error { return h.error }

// As makes errors.As find a *millrace.Error without the values too.
func (h hidden) As(target any) bool {
	e, ok := target.(**millrace.Error)
	if !ok || !errors.As(h.error, e) {
		return false
	}
	shown := **e
	shown.Message = h.text
	*e = &shown
	return true
}

// redact hides values of secrets in what is told to a workspace.
func (a *App) redact(workspace, text string) string {
	if workspace == serve.EveryWorkspace {
		return a.secrets.redactors.All().String(text)
	}
	return a.secrets.redactors.String(workspace, text)
}

// hide returns an error without the values of secrets.
func (s *secrets) hide(err error) error {
	if err == nil {
		return nil
	}
	if text := s.redactors.All().String(err.Error()); text != err.Error() {
		return hidden{err, text}
	}
	return err
}
