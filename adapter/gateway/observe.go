package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"spadapter/adapter/issue"
)

// observe counts the request and logs it in one line, once its response is written.
// The line has the pattern of the route, never the path: no id, name, query or body
// reaches the log. Of an error it has its type, rule and our own words.
func (x *exchange) observe() {
	took := x.Now().Sub(x.began)
	status := x.Writer.Status()
	if x.reply != nil && status < 500 && x.unrecorded == nil {
		return // the batch has its line; only a fault of ours needs another
	}
	pattern := x.FullPath()
	if pattern == "" {
		pattern = "none"
	}
	if x.reply == nil {
		x.metrics.count(x.Request.Method, pattern, status, took)
	}

	level := slog.LevelInfo
	switch {
	case status >= 500 || x.unrecorded != nil:
		level = slog.LevelError
	case x.route.surface == surfacePlain && status < 400:
		level = slog.LevelDebug // probes and scrapes come every few seconds
	}
	ctx := x.context()
	if !x.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("method", knownMethod(x.Request.Method)),
		slog.String("route", pattern),
		slog.Int("status", status),
		slog.Float64("duration_ms", float64(took)/float64(time.Millisecond)),
		slog.Int("bytes", max(0, x.Writer.Size())),
		slog.String("request_id", x.call.RequestID),
	)
	if p := x.call.Principal; p != nil {
		attrs = append(attrs, slog.String("client", p.Client))
		if x.call.Dialect != "" {
			attrs = append(attrs, slog.String("dialect", x.call.Dialect))
		}
		if len(p.Organisations) == 1 {
			attrs = append(attrs, slog.String("organisation", p.Organisations[0]))
		}
	}
	attrs = append(attrs, refusalAttrs(x.refusal, status)...)
	if x.unrecorded != nil {
		attrs = append(attrs, slog.String("audit_error", x.unrecorded.Error()))
	}
	x.Logger.LogAttrs(ctx, level, "request", attrs...)
}

// refusalAttrs says why a request was refused: types and rules always, causes and
// the stack of a panic when the fault is ours.
func refusalAttrs(err error, status int) []slog.Attr {
	if err == nil {
		return nil
	}
	var types, rules, causes []string
	for _, e := range issue.All(err) {
		types = append(types, string(e.Type))
		if e.Rule != "" {
			rules = append(rules, e.Rule)
		}
		if e.Cause != nil {
			causes = append(causes, e.Cause.Error())
		}
	}
	attrs := []slog.Attr{slog.String("issues", strings.Join(types, " ")), slog.String("rules", strings.Join(rules, " "))}
	if status < 500 {
		return attrs
	}
	attrs = append(attrs, slog.String("error", err.Error()), slog.String("cause", strings.Join(causes, "; ")))
	if p, ok := errors.AsType[*panicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	return attrs
}

// knownMethod keeps methods that someone made up out of logs and metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
