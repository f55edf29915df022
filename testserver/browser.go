package testserver

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Chromium returns the path of a Chromium that runs headless.
func Chromium(t testing.TB) string {
	t.Helper()
	return Install(t, []string{"chromium"}, "chromium", "fonts-liberation")
}

// Strace returns the path of strace.
func Strace(t testing.TB) string {
	t.Helper()
	return Install(t, []string{"strace"}, "strace")
}

// Node makes sure that the npm packages of dir's package-lock.json are
// installed and returns the path of node.
func Node(t testing.TB, dir string) string {
	t.Helper()
	node := Install(t, []string{"node"}, "nodejs", "npm")
	unlock := lock(t)
	defer unlock()
	lockFile, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	installed, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err == nil && !installed.ModTime().Before(lockFile.ModTime()) {
		return node
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	// Not npm ci: it wants the optional packages of all platforms in the lock
	// file, and not every registry has them. The versions are the lock file's all the same.
	npm := exec.CommandContext(ctx, "npm", "install", "--no-save", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install in %s: %v\n%s", dir, err, tail(out))
	}
	return node
}
