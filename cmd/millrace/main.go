// Command millrace collects events, keeps them for ever, and answers questions
// about them in SQL. It is the server and the client of one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
)

// version is set by the linker.
var version = ""

func main() {
	app.ChildMain() // the warehouse's process is this binary too
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal kills at once
	}()
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, version: version, notice: millrace.Notice}
	os.Exit(p.run(ctx, os.Args[1:]))
}
