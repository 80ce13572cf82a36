package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/auth"
)

// flood is connections from one address that are made as fast as they are closed, and say next
// to nothing.
type flood struct {
	from  string
	say   string // at once
	drip  string // then byte after byte, for ever
	pause time.Duration
}

// run keeps n connections going until ctx ends, and says when n have been made.
func (f flood) run(ctx context.Context, address string, n int) (made *sync.WaitGroup, ended *sync.WaitGroup) {
	made, ended = &sync.WaitGroup{}, &sync.WaitGroup{}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(f.from)}}
	made.Add(n)
	for range n {
		ended.Go(func() {
			once := sync.OnceFunc(made.Done)
			defer once()
			for ctx.Err() == nil {
				conn, err := dialer.DialContext(ctx, "tcp", address)
				if err != nil {
					continue
				}
				once()
				f.hold(ctx, conn)
				_ = conn.Close()
			}
		})
	}
	return made, ended
}

// hold says what there is to say until the connection or the test ends.
func (f flood) hold(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, f.say); err != nil {
		return
	}
	for i := 0; f.drip != ""; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.pause):
		}
		if _, err := io.WriteString(conn, f.drip[i%len(f.drip):][:1]); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, conn) // until the other side has enough
	select {
	case <-ctx.Done():
	case <-time.After(f.pause): // a flood that dials without a pause measures this machine
	}
}

// seriesOf is the value of a series, by its name, its labels and the blank after them.
func seriesOf(t *testing.T, text, name string) (value float64) {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+name)
	if _, err := fmt.Sscan(rest, &value); !ok || err != nil {
		t.Fatalf("%s is not in the metrics: %v", name, err)
	}
	return value
}

// A thousand connections that say nothing, or their header or their body byte by byte, from one
// address, leave a client at another one served: each of its requests, on connections of their
// own and on one that it keeps. Floods that have no token leave one at the same address served.
func TestFloods(t *testing.T) {
	w := newWorld(t, "")
	w.config.Connections, w.config.AddressConnections = 300, 100
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	stranger := a.as(auth.RoleRequester, practiceB)
	address := strings.TrimPrefix(a.url, "http://")
	head := "POST /fhir/R4 HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 100000\r\n"
	const pause = 200 * time.Millisecond
	for name, c := range map[string]struct {
		flood
		near bool // a client at the same address is served, too
	}{
		"silent":               {flood{from: "127.0.0.2", pause: pause}, true},
		"header byte by byte":  {flood{from: "127.0.0.2", drip: "GET /" + strings.Repeat("x", 1000), pause: pause}, true},
		"body byte by byte":    {flood{from: "127.0.0.2", say: head + "Authorization: Bearer " + stranger.token + "\r\n\r\n", drip: " ", pause: pause}, false},
		"body without a token": {flood{from: "127.0.0.2", say: head + "\r\n", drip: " ", pause: pause}, false},
	} {
		t.Run(name, func(t *testing.T) {
			kept := &http.Client{Transport: &http.Transport{}}
			defer kept.CloseIdleConnections()
			served := func(from string, client *http.Client) {
				t.Helper()
				if client == nil {
					dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
					client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
				}
				r, err := http.NewRequest(http.MethodGet, a.url+"/fhir/R4/Task?_count=1", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+gp.token)
				response, err := client.Do(r)
				if err != nil {
					t.Errorf("from %s: %v", from, err)
					return
				}
				defer response.Body.Close()
				if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("from %s: %s %v", from, response.Status, err)
				}
			}
			served("127.0.0.1", kept)
			ctx, stop := context.WithCancel(t.Context())
			made, ended := c.run(ctx, address, 1000)
			made.Wait()
			for range 20 {
				served("127.0.0.1", nil)
				served("127.0.0.1", kept)
				if c.near {
					served(c.from, nil)
				}
			}
			text := string(gp.in(t).get("/metrics").want(http.StatusOK).body)
			if n := seriesOf(t, text, `adapter_connections{listener="main"} `); n > 300 || seriesOf(t, text, `adapter_connections_rejected_total{listener="main"} `) == 0 {
				t.Errorf("%v connections are open", n)
			}
			gp.in(t).refer(someone(practiceA).message(), "X-Request-ID", fmt.Sprintf("flood-%d", len(name)))
			stop()
			ended.Wait()
		})
	}
	gp.get("/readyz").want(http.StatusOK)
}
