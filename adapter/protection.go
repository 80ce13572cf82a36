package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"spadapter/adapter/gateway"
)

// What a deployment has that says nothing of its limits. A national GP system is one client,
// and sends some ten entries with each referral.
const (
	defaultRate, defaultBurst               = 500, 5000
	defaultAddressRate, defaultAddressBurst = 50, 200
	defaultAtOnce, defaultClientAtOnce      = 256, 64
	// 5,000 may wait for events, 500 of them of one client, and have work beside it
	defaultConnections, defaultAddressConnections = 10_000, 600

	defaultRequestTimeout = 10 * time.Second
	leastRequestTimeout   = 100 * time.Millisecond
	mostRequestTimeout    = 15 * time.Second // a batch has six times as long, and proxies some 90 s
)

// numbers lists the limits that are numbers, with their settings and defaults.
func (c *Config) numbers() []struct {
	name     string
	value    *int
	standard int
} {
	return []struct {
		name     string
		value    *int
		standard int
	}{
		{"ADAPTER_RATE", &c.Rate, defaultRate}, {"ADAPTER_RATE_BURST", &c.RateBurst, defaultBurst},
		{"ADAPTER_ADDRESS_RATE", &c.AddressRate, defaultAddressRate}, {"ADAPTER_ADDRESS_RATE_BURST", &c.AddressBurst, defaultAddressBurst},
		{"ADAPTER_REQUESTS_AT_ONCE", &c.AtOnce, defaultAtOnce}, {"ADAPTER_CLIENT_REQUESTS_AT_ONCE", &c.ClientAtOnce, defaultClientAtOnce},
		{"ADAPTER_CONNECTIONS", &c.Connections, defaultConnections}, {"ADAPTER_ADDRESS_CONNECTIONS", &c.AddressConnections, defaultAddressConnections},
	}
}

// guardGiven checks the limits that a deployment set. Errors: all, each naming its setting.
func (c *Config) guardGiven() (faults []error) {
	for _, n := range c.numbers() {
		if *n.value < 1 {
			faults = append(faults, fmt.Errorf("%s is %d; it is from 1", n.name, *n.value))
		}
	}
	if c.RequestTimeout < leastRequestTimeout || c.RequestTimeout > mostRequestTimeout {
		faults = append(faults, fmt.Errorf("ADAPTER_REQUEST_TIMEOUT is %v; it is from %v to %v", c.RequestTimeout, leastRequestTimeout, mostRequestTimeout))
	}
	return faults
}

// guard fills in the limits that are not set and checks the rest.
func (c *Config) guard() error {
	for _, n := range c.numbers() {
		if *n.value == 0 {
			*n.value = n.standard
		}
		if *n.value < 0 {
			return fmt.Errorf("%s is not below zero", n.name)
		}
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = defaultRequestTimeout
	}
	if c.RequestTimeout < 0 {
		return errors.New("ADAPTER_REQUEST_TIMEOUT is above zero")
	}
	for name, list := range map[string][]string{"ADAPTER_TRUSTED_PROXIES": c.TrustedProxies, "ADAPTER_METRICS_NETWORKS": c.MetricsNetworks} {
		if _, err := prefixes(list); err != nil {
			return fmt.Errorf("%s are networks or addresses, such as 10.1.0.0/16, with commas between", name)
		}
	}
	if c.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(c.MetricsListen); err != nil {
			return errors.New("ADAPTER_METRICS_LISTEN must be host:port, such as 127.0.0.1:9090")
		}
	}
	for i, text := range c.Origins {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.Contains(text, "*") {
			return errors.New("ADAPTER_CORS_ORIGINS are exact origins, such as https://tool.example.nhs.uk, with commas between; there is no wildcard")
		}
		c.Origins[i] = strings.ToLower(strings.TrimSpace(text))
	}
	return nil
}

// protection is what the gateway is told of it.
func (c *Config) protection() gateway.Protection {
	proxies, _ := prefixes(c.TrustedProxies) // complete has read them
	metrics, _ := prefixes(c.MetricsNetworks)
	return gateway.Protection{
		Rate: float64(c.Rate), Burst: c.RateBurst, AddressRate: float64(c.AddressRate), AddressBurst: c.AddressBurst,
		AtOnce: c.AtOnce, ClientAtOnce: c.ClientAtOnce, Timeout: c.RequestTimeout,
		Proxies: proxies, Metrics: metrics, MetricsApart: c.MetricsListen != "", Origins: c.Origins,
	}
}

// prefixes reads networks; an address is a network of one.
func prefixes(list []string) (out []netip.Prefix, err error) {
	for _, text := range list {
		text = strings.TrimSpace(text)
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
