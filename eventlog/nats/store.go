package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

const (
	streamName   = "log"
	subject      = "frame"
	ackSubject   = "ack"
	startTimeout = 60 * time.Second // recovery reads what an unclean end left
	apiTimeout   = 10 * time.Second
)

// A store is a running server with its stream.
type store struct {
	dir    string
	logger *slog.Logger
	server *server.Server
	writer *nats.Conn
	reader *nats.Conn // of its own, because the server answers reads on the connection's goroutine
	acks   chan *nats.Msg
	hurt   chan struct{} // the server logged that it cannot write
	lost   *lostList
	number uint64 // of the last publish
	block  uint64 // number of the newest block file of the newest segment

	row     atomic.Pointer[[]segment]
	marked  bool           // the newest segment has its marker
	sealing sync.WaitGroup // seals

	first, last uint64 // as opened
	stamp       time.Time
	size        int64 // bytes, as opened
}

// openStore starts the server in o.Dir and finds out what the log holds. When
// known is not nil the log is being opened again and must be the same.
func openStore(ctx context.Context, o Options, known *identity, lost *lostList) (*store, identity, error) {
	id := known
	if id == nil {
		var err error
		if id, err = readIdentity(o.Dir); err != nil {
			return nil, identity{}, err
		}
	}
	s := &store{dir: o.Dir, logger: o.Logger, lost: lost, acks: make(chan *nats.Msg, 16), hurt: make(chan struct{}, 1)}
	damage := salvage{o: o, id: id}
	gone, err := damage.run()
	if err != nil {
		return nil, identity{}, err
	}
	lost.set(gone)
	if err = s.start(o); err == nil {
		err = s.connect()
	}
	if err == nil {
		err = s.openSegments(ctx)
	}
	if err == nil {
		err = s.syncNewest()
	}
	if err == nil {
		s.first, s.last, s.size = s.segments()[0].first, s.newest().last, s.bytes()
		if known != nil && s.last < known.Last {
			err = millrace.Errorf(millrace.Internal, "the log held frame %d and now ends at %d: its files were changed by someone else; stop the server and look at %s", known.Last, s.last, o.Dir)
		}
	}
	if err == nil {
		id, err = s.identify(ctx, o, id)
	}
	if err != nil {
		s.close()
		return nil, identity{}, err
	}
	s.sealOpened()
	return s, *id, nil
}

// start starts the server.
func (s *store) start(o Options) error {
	srv, err := server.NewServer(&server.Options{
		ServerName: "millrace", DontListen: true, NoSigs: true, JetStream: true, StoreDir: o.Dir, SyncAlways: true,
		MaxPayload: eventlog.MaxFrameSizeBytes, JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: 1 << 60, NoSystemAccount: true,
	})
	if err != nil {
		return millrace.Errorf(millrace.Internal, "making the log's server: %w", err)
	}
	s.server = srv
	srv.SetLogger(&serverLogger{logger: o.Logger, hurt: s.hurt}, false, false)
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		return millrace.Errorf(millrace.Unavailable, "the log's server in %s was not ready within %v", o.Dir, startTimeout)
	}
	if !srv.JetStreamEnabled() {
		return millrace.Errorf(millrace.Internal, "the log's server in %s has no storage: see the messages before", o.Dir)
	}
	return nil
}

// connect makes the connections within the process.
func (s *store) connect() (err error) {
	options := []nats.Option{nats.InProcessServer(s.server), nats.Timeout(apiTimeout)}
	if s.writer, err = nats.Connect("", append(options, nats.NoReconnect())...); err == nil {
		s.reader, err = nats.Connect("", append(options, nats.MaxReconnects(-1), nats.ReconnectWait(retryReadEvery))...)
	}
	if err == nil {
		_, err = s.writer.ChanSubscribe(ackSubject+".*", s.acks)
	}
	if err != nil {
		return millrace.Errorf(millrace.Internal, "connecting to the log's server: %w", err)
	}
	return nil
}

// sameStream compares what the log relies on.
func sameStream(a, b *nats.StreamConfig) bool {
	return a.Storage == b.Storage && a.Retention == b.Retention && a.MaxMsgs == b.MaxMsgs && a.MaxBytes == b.MaxBytes &&
		a.MaxMsgsPerSubject == b.MaxMsgsPerSubject && a.MaxMsgSize == b.MaxMsgSize && a.MaxAge == b.MaxAge && a.NoAck == b.NoAck &&
		a.Duplicates == b.Duplicates && a.AllowDirect == b.AllowDirect && a.Sealed == b.Sealed && slices.Equal(a.Subjects, b.Subjects)
}

// syncNewest brings to the disk what a process that was killed had written to
// the newest segment and not yet synced: readers are about to see it. It finds
// the newest block.
func (s *store) syncNewest() error {
	g := s.newest()
	names, err := os.ReadDir(g.dir)
	if err != nil {
		return millrace.Errorf(millrace.Internal, "looking at the log's files: %w", err)
	}
	s.block = 0
	for _, name := range names {
		if n, ok := blockNumber(name.Name()); ok {
			s.block = max(s.block, n)
		}
	}
	for n := max(2, s.block) - 1; n <= s.block; n++ {
		if e := syncPath(g.blockPath(n)); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	// Folders: a new block, and at first the whole way down to it.
	for dir := g.dir; ; dir = filepath.Dir(dir) {
		err = errors.Join(err, syncPath(dir))
		if dir == filepath.Clean(s.dir) || len(dir) <= len(s.dir) {
			break
		}
	}
	err = errors.Join(err, syncPath(filepath.Dir(filepath.Clean(s.dir))))
	if err != nil {
		return millrace.Errorf(millrace.Internal, "bringing the log's files to the disk: %w", err)
	}
	return nil
}

// syncNewBlock brings the folder to the disk when the server has begun a new
// block file since the last call: it syncs files, not the folder they are new in.
func (s *store) syncNewBlock() error {
	g := s.newest()
	for found := false; ; found = true {
		if _, err := os.Lstat(g.blockPath(s.block + 1)); err != nil {
			if !found {
				return nil
			}
			return syncPath(g.dir)
		}
		s.block++
	}
}

// identify compares the streams with what the log knows of itself, and decides
// about the epoch.
func (s *store) identify(ctx context.Context, o Options, id *identity) (*identity, error) {
	if err := s.lost.cut(o.Dir, s.last); err != nil {
		return nil, err
	}
	before := identity{}
	if id != nil {
		before = *id
	}
	switch {
	case id == nil && s.last > 0 && o.AfterEpoch > 0:
		// The file was lost, not the log: a new epoch would make its frames new
		// to all who have read them.
		o.Logger.Error("the log's identity is gone: it goes on in the newest epoch that the archive knows", "epoch", o.AfterEpoch)
		id = &identity{Format: formatOne, Epoch: o.AfterEpoch, First: 1}
	case id == nil:
		fresh := newIdentity(o, 0)
		id = &fresh
	case s.last < id.Last:
		o.Logger.Error("the log has lost frames, or was put back to an earlier state: it goes on in a new epoch, and its readers behind what they have seen",
			"ended at", id.Last, "ends at", s.last, "old epoch", id.Epoch)
		next := id.renewed(o, s.last, 0)
		id = &next
	}
	if err := s.raiseFirst(id.First); err != nil {
		return nil, err
	}
	s.stamp = id.time()
	if s.last >= s.first {
		frame, err := s.frame(ctx, s.last)
		if err != nil {
			return nil, fmt.Errorf("reading the last frame of the log: %w", err)
		}
		if t := frame.Time(); t.After(s.stamp) {
			s.stamp = t
		}
	}
	id.First, id.Last, id.Stamp = s.first, s.last, s.stamp.UnixMilli()
	if s.newest().rolled() {
		id.Format = formatRow
	}
	if id.same(&before) {
		return id, nil
	}
	err := id.write(o.Dir)
	if err != nil && id.Epoch == before.Epoch && id.First == before.First { // on a full disk the log can still be read
		o.Logger.Warn("the log could not write down how far it has come", "error", err)
		err = nil
	}
	return id, err
}

// raiseFirst finishes a trim that a crash interrupted, and keeps sequence
// numbers from being used again.
func (s *store) raiseFirst(first uint64) error {
	if first <= s.first {
		return nil
	}
	if err := s.purge(first); err != nil {
		return err
	}
	s.first, s.last = first, max(s.last, first-1)
	s.size = s.bytes()
	if first > s.newest().begin {
		s.marked = true // its place is behind it
	}
	return nil
}

// An ack is the server's answer to a publish.
type ack struct {
	Seq   uint64 `json:"seq"`
	Error *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

// publish stores a frame and returns its sequence when it is on disk. After an
// error its fate is unknown, and the store must be opened again.
func (s *store) publish(frame []byte, timeout time.Duration) (seq uint64, err error) {
	s.number++
	reply := ackSubject + "." + strconv.FormatUint(s.number, 10)
	if err := s.writer.PublishRequest(s.newest().subject, reply, frame); err != nil {
		return 0, err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case m := <-s.acks:
			if m.Subject != reply {
				continue
			}
			if status := m.Header.Get("Status"); status != "" {
				return 0, fmt.Errorf("the server answered %s: nothing takes the frame", status)
			}
			var a ack
			if err := json.Unmarshal(m.Data, &a); err != nil {
				return 0, fmt.Errorf("the answer %.80q is not understood: %w", m.Data, err)
			}
			if a.Error != nil {
				return 0, fmt.Errorf("the server refused it: %s (%d)", a.Error.Description, a.Error.Code)
			}
			return a.Seq, nil
		case <-s.hurt:
			return 0, errors.New("the server cannot write")
		case <-timer.C:
			return 0, fmt.Errorf("no answer within %v", timeout)
		}
	}
}

// disconnect closes the connections.
func (s *store) disconnect() {
	for _, c := range [...]*nats.Conn{s.writer, s.reader} {
		if c != nil {
			c.Close()
		}
	}
}

// close stops the server and waits for it.
func (s *store) close() {
	s.disconnect()
	s.sealing.Wait()
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}

// A serverLogger hands what the server says to slog.
type serverLogger struct {
	logger *slog.Logger
	hurt   chan<- struct{}
	said   atomic.Int64 // unix second of the last warning: a full disk repeats itself
}

func (l *serverLogger) say(level slog.Level, format string, v []any) {
	if level >= slog.LevelWarn {
		if now := time.Now().Unix(); l.said.Swap(now) == now {
			level = slog.LevelDebug
		}
	}
	l.logger.Log(context.Background(), level, "log server: "+fmt.Sprintf(format, v...))
}

// Noticef is for the server.
func (l *serverLogger) Noticef(format string, v ...any) { l.debug(format, v) }

// Debugf is for the server.
func (l *serverLogger) Debugf(string, ...any) {}

// Tracef is for the server.
func (l *serverLogger) Tracef(string, ...any) {}

// Warnf is for the server. That the description of a stream is older than what
// it holds, and is made anew, is what every crash leaves behind.
func (l *serverLogger) Warnf(format string, v ...any) {
	if strings.Contains(format, "Stream state outdated") {
		l.say(slog.LevelInfo, format, v)
		return
	}
	l.say(slog.LevelWarn, format, v)
}

// Fatalf is for the server, which does not end the process itself.
func (l *serverLogger) Fatalf(format string, v ...any) { l.say(slog.LevelError, format, v) }

// Errorf is for the server. A write error ends the publish that waits: the
// server will not answer it.
func (l *serverLogger) Errorf(format string, v ...any) {
	l.say(slog.LevelError, format, v)
	if strings.Contains(format, "write error") {
		select {
		case l.hurt <- struct{}{}:
		default:
		}
	}
}

func (l *serverLogger) debug(format string, v []any) { l.say(slog.LevelDebug, format, v) }
