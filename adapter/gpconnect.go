package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spadapter/adapter/auth"
	"spadapter/adapter/directory"
	"spadapter/adapter/gateway"
	"spadapter/adapter/referral"
)

// sspHeaders come with every request through the Spine proxy.
// Source: https://digital.nhs.uk/services/gp-connect/develop-gp-connect-services/integrate-with-spine.
var sspHeaders = []string{"Ssp-TraceID", "Ssp-From", "Ssp-To", "Ssp-InteractionID"}

func (c *Config) gpConnectTLS() tlsFiles {
	return tlsFiles{cert: c.GPConnectTLSCert, key: c.GPConnectTLSKey, clientCA: c.GPConnectTLSClientCA}
}

// checkGPConnect refuses a listener for unsigned tokens that others than Spine can reach.
func (c *Config) checkGPConnect() error {
	files := c.gpConnectTLS()
	if err := files.check("ADAPTER_GPCONNECT_TLS"); err != nil {
		return err
	}
	if c.GPConnectListen == "" {
		if files.on() || c.GPConnectPlain || len(c.GPConnectAudience) > 0 {
			return errors.New("the other ADAPTER_GPCONNECT_ settings mean nothing without ADAPTER_GPCONNECT_LISTEN")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(c.GPConnectListen); err != nil {
		return errors.New("ADAPTER_GPCONNECT_LISTEN must be host:port, such as 127.0.0.1:8081")
	}
	if !onlyHere(c.GPConnectListen) && !files.mutual() && !c.GPConnectPlain {
		return fmt.Errorf("ADAPTER_GPCONNECT_LISTEN %s takes unsigned tokens from whoever reaches it: set ADAPTER_GPCONNECT_TLS_CERT_FILE, _KEY_FILE and _CLIENT_CA_FILE so that only Spine does, or listen on a loopback address, or say with ADAPTER_GPCONNECT_PLAIN=true that something in front of it sees to that", c.GPConnectListen)
	}
	return nil
}

// gpConnect is the listener for what comes through the Spine proxy.
type gpConnect struct {
	server   *http.Server
	listener net.Listener
	crowd    *crowd // the listener, with its bounds
}

// newGPConnect listens; nil when it is not configured. handler is that of the main
// listener, which is entered here by another door: for the interactions of the FHIR
// API alone, with unsigned tokens, and by what they ask for to read and to create, no more.
func newGPConnect(c Config, partners *referral.Partners, handler http.Handler, registry prometheus.Registerer, log *slog.Logger) (*gpConnect, error) {
	if c.GPConnectListen == "" {
		return nil, nil
	}
	audience := c.GPConnectAudience
	if len(audience) == 0 {
		audience = []string{c.BaseURL + "/fhir/R4", c.BaseURL + "/fhir/STU3"}
	}
	verifier, err := auth.NewUnsigned(auth.UnsignedConfig{
		Audience: audience, Scopes: gpConnectScopes(), Registered: partners.Knows, Leeway: clockLeeway, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	door := gateway.Door{FHIR: true, Unsigned: true, Verify: verifier.Verify, Demands: gateway.Demands{Headers: sspHeaders, UUIDs: c.RequestUUIDs}}
	g := &gpConnect{}
	if g.listener, err = net.Listen("tcp", c.GPConnectListen); err != nil {
		return nil, fmt.Errorf("ADAPTER_GPCONNECT_LISTEN: %w", err)
	}
	// all of Spine comes from a few addresses: only the bound of all connections holds
	g.crowd = newCrowd(g.listener, c.Connections, c.Connections, nil, metricsOf(registry, "gp-connect"))
	g.server = newServer(gateway.Through(door, handler), g.crowd, log)
	if err := secure(g.server, c.gpConnectTLS(), log); err != nil {
		return nil, errors.Join(fmt.Errorf("the files of ADAPTER_GPCONNECT_TLS_CERT_FILE, _KEY_FILE and _CLIENT_CA_FILE: %w", err), g.listener.Close())
	}
	log.Info("serving_gp_connect", "listen", g.listener.Addr().String(), "mutual_tls", c.gpConnectTLS().mutual())
	if !onlyHere(c.GPConnectListen) && !c.gpConnectTLS().mutual() {
		log.Warn("unsigned tokens are taken from whoever reaches this address; it must stand behind the Spine proxy", "listen", c.GPConnectListen)
	}
	return g, nil
}

// organisational are the types that are about no patient. GP Connect reads them with
// organization/*.read.
var organisational = []string{directory.TypeService, directory.TypeLocation, directory.TypeOrganisation, "Practitioner", "PractitionerRole"}

// gpConnectScopes are the scopes that each requested_scope gives: to read or to create what
// is about a patient, and to read what is about organisations. What is about a patient is
// created together with who it is from.
func gpConnectScopes() map[string][]string {
	scopes := map[string][]string{"organization/*.write": nil}
	grant := func(requested, letters string, types []string) {
		for _, t := range types {
			scopes[requested] = append(scopes[requested], "system/"+t+"."+letters)
		}
	}
	grant("patient/*.read", "rs", slices.DeleteFunc(referral.ResourceTypes(), func(t string) bool { return slices.Contains(organisational, t) }))
	grant("patient/*.write", "c", referral.CreateTypes())
	grant("organization/*.read", "rs", organisational)
	return scopes
}
