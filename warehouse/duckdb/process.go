package duckdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
)

// childArgument is the hidden argument that makes the binary the child.
const childArgument = "__millrace-duckdb-child"

// startTimeout is how long a new child may take to say hello.
const startTimeout = 20 * time.Second

// A process is one life of the child.
type process struct {
	life    int64 // 1 is the first
	cmd     *exec.Cmd
	pid     int
	control *net.UnixConn
	engine  string        // DuckDB's version
	done    chan struct{} // closed when the process has ended
	started time.Time

	sending sync.Mutex // guards writes to control
	cause   atomic.Pointer[verdict]
	blamed  atomic.Bool // a query has been noted as its end
}

// A verdict is why the parent killed the child: what the culprit's asker is
// told, and what everybody else is.
type verdict struct {
	culprit *rows // nil when nobody in particular
	kind    millrace.Kind
	message string
}

// startProcess starts a child and waits for its hello.
func startProcess(cmd *exec.Cmd, config childConfig, life int64) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("make the socket of the warehouse engine: %w", err)
	}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.WaitDelay = time.Second // for what it leaves of its output
	prepareCommand(cmd)
	p := &process{life: life, cmd: cmd, control: ours, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.host(started)
	err = <-started
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start the warehouse engine %s: %w", cmd.Path, err)
	}
	if err := p.greet(config); err != nil {
		p.kill(verdict{kind: millrace.Unavailable, message: "the warehouse engine did not start"})
		<-p.done
		return nil, err
	}
	return p, nil
}

// host starts the command and waits for its end on one locked thread: the
// kernel ends the child when the thread that started it ends.
func (p *process) host(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	if err == nil {
		p.pid = p.cmd.Process.Pid
	}
	started <- err
	if err != nil {
		close(p.done)
		return
	}
	_ = p.cmd.Wait() // how it ended shows in ProcessState
	p.control.Close()
	close(p.done)
}

// greet sends the configuration and reads the hello.
func (p *process) greet(config childConfig) error {
	w := newWire(p.control)
	var t messageType
	var payload []byte
	err := p.control.SetDeadline(time.Now().Add(startTimeout))
	if err == nil {
		err = w.sendJSON(messageHello, config)
	}
	if err == nil {
		t, payload, err = w.receive()
	}
	if err != nil {
		return fmt.Errorf("the warehouse engine ended before it said hello: is it the same binary, and does main call duckdb.ChildMain first? %w", err)
	}
	var h hello
	if err := json.Unmarshal(payload, &h); err != nil || t != messageHello {
		return fmt.Errorf("the warehouse engine said something other than hello: %.100q", payload)
	}
	if h.Version != wireVersion {
		return fmt.Errorf("the warehouse engine speaks version %d of the protocol, this process %d: restart it with one binary", h.Version, wireVersion)
	}
	p.engine = h.Engine
	return p.control.SetDeadline(time.Time{})
}

// dial gives a new connection to the child.
func (p *process) dial() (*net.UnixConn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p.sending.Lock()
	_, _, err = p.control.WriteMsgUnix([]byte{1}, unix.UnixRights(int(theirs.Fd())), nil)
	p.sending.Unlock()
	if err != nil {
		ours.Close()
		return nil, err
	}
	return ours, nil
}

// kill ends the child at once; the first verdict counts.
func (p *process) kill(v verdict) {
	p.cause.CompareAndSwap(nil, &v)
	_ = p.cmd.Process.Kill() // it may have ended already
}

// diedAlone says whether the child has ended without being killed by the parent.
func (p *process) diedAlone() bool {
	select {
	case <-p.done:
		return p.cause.Load() == nil
	default:
		return false
	}
}

// crashed says whether the child has ended by a fault of its own: not killed by
// the parent, nor by anyone else on the machine.
func (p *process) crashed() bool {
	if !p.diedAlone() {
		return false
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL
}

// ended says why a connection broke, as seen by r (nil for a loader).
func (p *process) ended(r *rows, broken error) error {
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		return millrace.Errorf(millrace.Unavailable, "the connection to the warehouse engine broke: %w", broken)
	}
	if v := p.cause.Load(); v != nil {
		if v.culprit != nil && v.culprit == r {
			return &millrace.Error{Kind: v.kind, Message: v.message}
		}
		return millrace.Errorf(millrace.Unavailable, "the warehouse engine was restarted: %s. Try again", v.message)
	}
	return millrace.Errorf(millrace.Unavailable, "the warehouse engine ended unexpectedly (%s) and is being restarted: nothing that was committed is lost. Try again", p.cmd.ProcessState)
}

// socketPair returns a connected pair: a connection for this process and a
// file to give away. Nobody else can reach either end.
func socketPair() (*net.UnixConn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "duckdb")
	ours, err := connectionOf(os.NewFile(uintptr(fds[0]), "duckdb"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// connectionOf makes a connection of a socket's file, which it closes.
func connectionOf(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("the file is not a Unix socket")
	}
	return unixConn, nil
}

// receiveConnection takes a connection that dial sent, or io.EOF when the
// parent is gone.
func receiveConnection(control *net.UnixConn) (*net.UnixConn, error) {
	data, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := control.ReadMsgUnix(data, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("a ticket without a connection: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("a ticket without a connection: %w", err)
	}
	unix.CloseOnExec(fds[0])
	return connectionOf(os.NewFile(uintptr(fds[0]), "duckdb"))
}
