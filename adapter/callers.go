package main

import (
	"errors"
	"strings"

	"spadapter/adapter/gateway"
)

// callerHeaders are demanded with ADAPTER_REQUIRE_CALLER_HEADERS: those of BaRS but for
// NHSD-Requesting-Practitioner, which is sent when the person is known.
// Source: https://digital.nhs.uk/developer/api-catalogue/booking-and-referral-fhir.
var callerHeaders = []string{"NHSD-End-User-Organisation", "NHSD-Requesting-Software", "NHSD-Target-Identifier"}

func (c *Config) tls() tlsFiles {
	return tlsFiles{cert: c.TLSCert, key: c.TLSKey, clientCA: c.TLSClientCA, optional: c.TLSClientCert == "optional"}
}

// checkCallers finds settings about callers that would let nobody in, or too many.
func (c *Config) checkCallers() error {
	faults := []error{c.tls().check("ADAPTER_TLS")}
	if c.ThumbprintHeader != "" && len(c.TrustedProxies) == 0 {
		faults = append(faults, errors.New("ADAPTER_THUMBPRINT_HEADER needs ADAPTER_TRUSTED_PROXIES: the header counts only from those networks"))
	}
	const token = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
	if strings.Trim(c.ThumbprintHeader, token) != "" {
		faults = append(faults, errors.New("ADAPTER_THUMBPRINT_HEADER is the name of a header: letters, digits and hyphens"))
	}
	if c.BoundTokens && c.TLSClientCA == "" && c.ThumbprintHeader == "" {
		faults = append(faults, errors.New("ADAPTER_BOUND_TOKENS needs client certificates: ADAPTER_TLS_CLIENT_CA_FILE, or ADAPTER_THUMBPRINT_HEADER behind a proxy; without either every token would be refused"))
	}
	return errors.Join(append(faults, c.checkGPConnect())...)
}

// demands is what the main listener asks of a request besides its token.
func (c *Config) demands() gateway.Demands {
	d := gateway.Demands{UUIDs: c.RequestUUIDs, Bound: c.BoundTokens, Proxy: gateway.Proxy{Header: c.ThumbprintHeader, Networks: c.protection().Proxies}}
	if c.RequireCallerHeaders {
		d.Headers = callerHeaders
	}
	return d
}
