package main

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// crowd is a listener that bounds the connections there are, in all and from one address.
// When there is no room a connection on which nothing is being done makes room, the longest
// waiting one of the address with the most: one that has never sent a whole request header
// before one that is kept open between requests. So a flood of connections throws out its own,
// and a client that sends its request is served. One that finds nothing to throw out is closed.
type crowd struct {
	net.Listener
	most, each int
	proxies    []netip.Prefix // from there come many clients: only most holds

	mu       sync.Mutex
	count    int
	members  map[net.Conn]*guest
	from     map[netip.Addr]*lodging
	rejected prometheus.Counter
}

// lodging is the connections from one address. Those on which nothing is being done stand in
// fresh until their first request, and in idle between two, in the order in which they came there.
type lodging struct {
	count       int
	bounded     bool
	fresh, idle list.List
}

// guest is one connection.
type guest struct {
	net.Conn
	of    *crowd
	from  netip.Addr
	in    *list.List // fresh or idle; nil while a request is in work
	place *list.Element
	gone  sync.Once
}

// metricsOf is the registry for the metrics of one of the listeners.
func metricsOf(registry prometheus.Registerer, name string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"listener": name}, registry)
}

func newCrowd(l net.Listener, most, each int, proxies []netip.Prefix, registry prometheus.Registerer) *crowd {
	c := &crowd{Listener: l, most: most, each: each, proxies: proxies, members: map[net.Conn]*guest{}, from: map[netip.Addr]*lodging{},
		rejected: prometheus.NewCounter(prometheus.CounterOpts{Name: "adapter_connections_rejected_total", Help: "Connections that were closed because there were too many, in all or from one address."})}
	registry.MustRegister(c.rejected, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "adapter_connections", Help: "Connections there are."}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.count)
	}))
	return c
}

// Accept gives the next connection there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g, out := c.admit(conn)
		for _, other := range out {
			c.rejected.Inc()
			_ = other.Close() // it is of no use to anybody
		}
		if g != nil {
			return g, nil
		}
	}
}

// admit makes room for a connection, and gives those to close; the new one is among them, and
// g is nil, when there is no room.
func (c *crowd) admit(conn net.Conn) (g *guest, out []net.Conn) {
	g = &guest{Conn: conn, of: c}
	if a, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		g.from = a.Addr().Unmap().WithZone("")
	}
	bounded := !slices.ContainsFunc(c.proxies, func(p netip.Prefix) bool { return p.Contains(g.from) })
	if p, err := g.from.Prefix(64); bounded && g.from.Is6() && err == nil {
		g.from = p.Addr() // what one subscriber chooses addresses from, RFC 6177 section 2
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.from[g.from]
	if l == nil {
		l = &lodging{bounded: bounded}
	}
	var victim *guest
	switch {
	case l.bounded && l.count >= c.each:
		victim = l.longest()
	case c.count >= c.most:
		victim = c.fullest().longest()
	default:
		c.enter(g, l)
		return g, nil
	}
	if victim == nil {
		return nil, []net.Conn{conn}
	}
	c.remove(victim)
	c.enter(g, l)
	return g, []net.Conn{victim.Conn}
}

func (c *crowd) enter(g *guest, l *lodging) {
	c.from[g.from] = l
	c.count++
	l.count++
	c.members[g] = g
	g.in, g.place = &l.fresh, l.fresh.PushBack(g)
}

// fullest is the address with the most connections on which nothing is being done.
func (c *crowd) fullest() *lodging {
	best := &lodging{}
	for _, l := range c.from {
		if l.fresh.Len()+l.idle.Len() > best.fresh.Len()+best.idle.Len() {
			best = l
		}
	}
	return best
}

func (l *lodging) longest() *guest {
	for _, in := range []*list.List{&l.fresh, &l.idle} {
		if e := in.Front(); e != nil {
			return e.Value.(*guest)
		}
	}
	return nil
}

// remove takes a connection out of the count.
func (c *crowd) remove(g *guest) {
	if c.members[g] == nil {
		return
	}
	delete(c.members, g)
	l := c.from[g.from]
	if g.in != nil {
		g.in.Remove(g.place)
		g.in = nil
	}
	c.count--
	if l.count--; l.count == 0 {
		delete(c.from, g.from)
	}
}

// Close closes the connection and makes room for another.
func (g *guest) Close() error {
	g.gone.Do(func() {
		g.of.mu.Lock()
		defer g.of.mu.Unlock()
		g.of.remove(g)
	})
	return g.Conn.Close()
}

// follow is the ConnState of an http.Server over the crowd.
func (c *crowd) follow(conn net.Conn, state http.ConnState) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.members[conn]
	if g == nil {
		return
	}
	l := c.from[g.from]
	if g.in != nil && state != http.StateNew {
		g.in.Remove(g.place)
		g.in = nil
	}
	if state == http.StateIdle {
		g.in, g.place = &l.idle, l.idle.PushBack(g)
	}
}
