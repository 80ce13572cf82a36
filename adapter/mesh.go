package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spadapter/adapter/delivery"
	"spadapter/adapter/mesh"
	"spadapter/adapter/referral"
)

// meshOn reports whether there is a mailbox to send from.
func (c *Config) meshOn() bool { return c.MeshURL != "" }

func (c *Config) meshFiles() mesh.Files {
	return mesh.Files{Password: c.MeshPassword, SharedKey: c.MeshSharedKey, Cert: c.MeshCert, Key: c.MeshKey, CA: c.MeshCA}
}

// completeMESH fills in the defaults of MESH and finds settings that make no sense together.
func (c *Config) completeMESH() error {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&c.MeshPoll, time.Minute}, {&c.MeshInfrastructureWait, 24 * time.Hour}, {&c.MeshBusinessWait, 5 * 24 * time.Hour}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
		if *d.value < 0 {
			return errors.New("ADAPTER_MESH_POLL, ADAPTER_MESH_INFRASTRUCTURE_WAIT and ADAPTER_MESH_BUSINESS_WAIT are above zero")
		}
	}
	if !c.meshOn() {
		if c.MeshMailbox != "" {
			return errors.New("ADAPTER_MESH_MAILBOX needs ADAPTER_MESH_URL")
		}
		return nil
	}
	u, err := url.Parse(c.MeshURL)
	switch {
	case err != nil || u.Host == "":
		return errors.New("ADAPTER_MESH_URL is https://HOST")
	case c.MeshMailbox == "" || c.MeshPassword == "" || c.MeshSharedKey == "":
		return errors.New("ADAPTER_MESH_URL needs ADAPTER_MESH_MAILBOX, ADAPTER_MESH_PASSWORD_FILE and ADAPTER_MESH_SHARED_KEY_FILE")
	case (c.MeshCert == "") != (c.MeshKey == ""):
		return errors.New("ADAPTER_MESH_CERT_FILE and ADAPTER_MESH_KEY_FILE are given together")
	case u.Scheme == "https" && c.MeshCert == "":
		return errors.New("MESH asks for a client certificate: give ADAPTER_MESH_CERT_FILE and ADAPTER_MESH_KEY_FILE")
	case u.Scheme != "https" && !c.PlainPartners && !onlyHere(u.Host) && !onlyHere(u.Host+":80"):
		return errors.New("ADAPTER_MESH_URL starts with https; http is for this machine, and with ADAPTER_PLAIN_PARTNERS for test networks")
	}
	return nil
}

// meshClient opens the mailbox of the deployment. Errors: what is wrong with its files.
func (c *Config) meshClient() (*mesh.Client, error) {
	files := c.meshFiles()
	password, key, err := files.Secrets()
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_MESH_PASSWORD_FILE, ADAPTER_MESH_SHARED_KEY_FILE: %w", details(err))
	}
	transport, err := files.Transport()
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_MESH_CERT_FILE, _KEY_FILE, _CA_FILE: %w", details(err))
	}
	client := &mesh.Client{URL: c.MeshURL, Mailbox: c.MeshMailbox, Password: password, SharedKey: key, Transport: transport, Gzip: true, ChunkSize: c.MeshChunkBytes}
	if err := client.Check(); err != nil {
		return nil, fmt.Errorf("ADAPTER_MESH_URL, ADAPTER_MESH_MAILBOX: %w", err)
	}
	return client, nil
}

// newMESH makes the route over MESH and what brings back the acknowledgements; both nil
// where MESH is not set up.
func (a *app) newMESH(r registerer, instead func(ctx context.Context, d referral.Delivery, code string) error) (*delivery.MESH, *delivery.Inbox, error) {
	c := a.config
	if !c.meshOn() {
		return nil, nil, nil
	}
	client, err := c.meshClient()
	if err != nil {
		return nil, nil, err
	}
	route := &delivery.MESH{
		Client: client, Dispatch: a.store.Dispatch, Wait: c.MeshInfrastructureWait,
		Old: func(ods string) bool { return slices.Contains(c.MeshOldPractices, ods) },
		Mailbox: func(ods string) string {
			e, _ := a.partners.Endpoint(ods)
			mailbox, _ := strings.CutPrefix(e.Address, "mesh:")
			if mailbox == e.Address {
				return "" // the endpoint is none of MESH
			}
			return mailbox
		},
	}
	inbox := &delivery.Inbox{
		Client: client, Desk: a.store, Workflows: c.MeshWorkflows, Software: "spadapter=" + version(), Observe: observeAcknowledgements(r),
		Instead: instead, Poll: c.MeshPoll, Business: c.MeshBusinessWait, Log: a.log,
	}
	return route, inbox, nil
}

// observeAcknowledgements counts what comes back by its kind and by the state that it led to.
func observeAcknowledgements(r registerer) func(referral.Acknowledgement, referral.Settled) {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "adapter_delivery_acknowledgements_total", Help: "Acknowledgements of deliveries, by kind and the state of the delivery after it; none is about no delivery of ours.",
	}, []string{"kind", "state"})
	r.MustRegister(count)
	return func(a referral.Acknowledgement, s referral.Settled) {
		state := string(s.Delivery.State)
		if s.Delivery.ID == "" {
			state = "none"
		}
		count.WithLabelValues(string(a.Kind), state).Inc()
	}
}
