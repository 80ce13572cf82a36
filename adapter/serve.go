package main

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
)

// serveCmd runs the service until SIGTERM or SIGINT.
type serveCmd struct {
	Config
}

func (c *serveCmd) Run() error {
	if err := errors.Join(c.given(), c.complete()); err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	log := newLogger(c.LogLevel)
	a, err := newApp(ctx, c.Config, log)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt())
	}
	log.Info("serving", append([]any{"listen", a.config.Listen, "base_url", a.config.BaseURL, "database", redact(c.Database), "metrics", a.config.MetricsListen,
		"token_endpoint", a.authority.endpoint != nil, "version", version()}, a.config.standing()...)...)
	err = a.run(ctx)
	log.Info("stopped")
	return err
}

// collectAt is by how many percent of what is kept the memory grows before it is collected.
// What is kept is the artefacts, and each action leaves 0.2 to 1.2 MB behind: to collect
// seldom costs up to 200 MiB and saves a tenth of the CPU. Where much is kept, as the
// packages of a deployment are, it is twice that.
func collectAt() int {
	const room, least, most = 192 << 20, 200, 400
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(min(max(room*100/m.HeapAlloc, least), most))
}

// newLogger writes JSON lines to standard error.
func newLogger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}
