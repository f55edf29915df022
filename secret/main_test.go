package secret_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/secret"
)

// helperFolder is set in a process that changes keys until it is killed.
const helperFolder = "MILLRACE_TEST_REKEY_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(helperFolder); folder != "" {
		fmt.Fprintln(os.Stderr, rekeyForever(folder))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// rekeyForever changes the data key and the master key in turn.
func rekeyForever(folder string) error {
	ctx := context.Background()
	c, err := sqlite.Open(ctx, sqlite.Options{File: filepath.Join(folder, "catalog.db")})
	if err != nil {
		return err
	}
	for round := 0; ; round++ {
		r, err := secret.OpenKeyRing(ctx, secret.KeyRingOptions{Catalog: c, Folder: folder, Getenv: noEnvironment})
		if err != nil {
			return err
		}
		v, err := secret.New(secret.Options{Catalog: c, Keys: r})
		if err != nil {
			return err
		}
		if round == 0 {
			for i := range 20 {
				path := fmt.Sprintf("k%d", i)
				if _, err := v.Put(ctx, secret.Put{Workspace: "w_a", Path: path, Value: secret.NewValue(strings.Repeat(path+" ", 10))}, owner); err != nil {
					return err
				}
			}
			fmt.Println("ready")
		}
		if _, err := v.RotateKey(ctx, "w_a", owner); err != nil {
			return err
		}
		made := make(chan error, 1)
		go func() {
			_, err := r.Data(ctx, fmt.Sprintf("space%d", round)) // while the master key changes
			made <- err
		}()
		if _, err := r.Rekey(ctx, owner); err != nil {
			return err
		}
		if err := <-made; err != nil {
			return err
		}
	}
}

// runHelper runs the process and kills it so long after it is ready.
func runHelper(t *testing.T, folder string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperFolder+"="+folder)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 10)); err != nil {
		_ = cmd.Wait()
		t.Fatalf("%v: %s", err, failed.String())
	}
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if failed.Len() > 0 {
		t.Error(failed.String())
	}
	return true
}
