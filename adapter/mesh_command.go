package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
	"spadapter/adapter/store"
)

// meshCmd looks at the MESH mailbox beside a running server.
type meshCmd struct {
	Handshake meshHandshakeCmd `cmd:"" help:"Prove that the mailbox, its secrets and the certificate are accepted."`
	Inbox     meshInboxCmd     `cmd:"" help:"Show what waits in the inbox, and what came that is about nothing we sent; takes nothing."`
	Track     meshTrackCmd     `cmd:"" help:"Show what became of a delivery: at MESH, and what its recipient acknowledged."`
}

// meshFlags are those of every command on the mailbox.
type meshFlags struct {
	URL       string `help:"URL of MESH." env:"ADAPTER_MESH_URL" name:"mesh-url" required:""`
	Mailbox   string `help:"Our mailbox there." env:"ADAPTER_MESH_MAILBOX" name:"mesh-mailbox" required:""`
	Password  string `help:"File with the password of the mailbox." env:"ADAPTER_MESH_PASSWORD_FILE" name:"mesh-password" required:""`
	SharedKey string `help:"File with the shared key of the environment." env:"ADAPTER_MESH_SHARED_KEY_FILE" name:"mesh-shared-key" required:""`
	Cert      string `help:"Client certificate chain, in PEM." env:"ADAPTER_MESH_CERT_FILE" name:"mesh-cert"`
	Key       string `help:"Private key of that certificate, in PEM." env:"ADAPTER_MESH_KEY_FILE" name:"mesh-key"`
	CA        string `help:"Authorities in PEM that the certificate of MESH must be from." env:"ADAPTER_MESH_CA_FILE" name:"mesh-ca"`
	Plain     bool   `help:"Allow http to another machine: for test networks only." env:"ADAPTER_PLAIN_PARTNERS" name:"plain"`
}

func (f *meshFlags) client() (*mesh.Client, error) {
	c := Config{MeshURL: f.URL, MeshMailbox: f.Mailbox, MeshPassword: f.Password, MeshSharedKey: f.SharedKey, MeshCert: f.Cert, MeshKey: f.Key, MeshCA: f.CA, PlainPartners: f.Plain}
	if err := c.completeMESH(); err != nil {
		return nil, err
	}
	return c.meshClient()
}

type meshHandshakeCmd struct {
	meshFlags
}

func (c *meshHandshakeCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.Handshake(ctx, mesh.Software{Client: "spadapter=" + version()}); err != nil {
		return details(err)
	}
	_, err = fmt.Printf("mailbox %s: MESH accepts us\n", client.Mailbox)
	return err
}

type meshInboxCmd struct {
	meshFlags
	databaseFlags
	Count int `help:"How many messages to list." default:"20"`
}

func (c *meshInboxCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	client, err := c.client()
	if err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	return showInbox(ctx, os.Stdout, client, s, max(c.Count, 1))
}

func showInbox(ctx context.Context, out io.Writer, client *mesh.Client, s *store.Store, count int) error {
	ids, err := client.Inbox(ctx)
	if err != nil {
		return details(err)
	}
	fmt.Fprintf(out, "%d messages wait in the inbox of %s\n", len(ids), client.Mailbox)
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(ids) > 0 {
		fmt.Fprintln(tab, "MESSAGE\tFROM\tWORKFLOW\tKIND")
	}
	for _, id := range ids[:min(len(ids), count)] {
		m, err := client.Head(ctx, id)
		if errors.Is(err, issue.Deleted) {
			continue // a server took it meanwhile
		}
		if err != nil {
			return details(err)
		}
		kind := "data"
		if m.Report {
			kind = "report " + m.Code
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\n", id, or(m.From, "MESH"), m.Workflow, kind)
	}
	loose, err := s.Acknowledgements(ctx, "", count)
	if err != nil {
		return details(err)
	}
	if len(loose) > 0 {
		fmt.Fprintln(tab, "\nCAME, ABOUT NOTHING THAT WE SENT\tAT\tWORKFLOW\tWHAT")
	}
	for _, a := range loose {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\n", a.ID, a.At.Format(time.RFC3339), a.Workflow, strings.TrimSpace(string(a.Kind)+" "+a.Code+" "+a.Problem))
	}
	return tab.Flush()
}

type meshTrackCmd struct {
	meshFlags
	databaseFlags
	Delivery string `arg:"" help:"Id of the delivery, as in the ledger and the log."`
}

func (c *meshTrackCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	client, err := c.client()
	if err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	return showTrack(ctx, os.Stdout, client, s, c.Delivery)
}

func showTrack(ctx context.Context, out io.Writer, client *mesh.Client, s *store.Store, id string) error {
	d, attempts, err := s.Delivery(ctx, id)
	if err != nil {
		return details(err)
	}
	fmt.Fprintf(out, "delivery %s to %s: %s\n", d.ID, d.Recipient, strings.TrimSuffix(string(d.State)+", "+d.Said, ", "))
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "WHAT\tAT\tSTATE\tDETAILS")
	for _, a := range attempts {
		fmt.Fprintf(tab, "try %d\t%s\t%s\t%s\n", a.Number, a.At.Format(time.RFC3339), a.State, a.Details)
	}
	names, err := s.DispatchedAs(ctx, id)
	if err != nil {
		return details(err)
	}
	for _, name := range names {
		t, err := client.Track(ctx, strings.ToUpper(name)) // names are kept in small letters
		if errors.Is(err, issue.NotFound) {
			continue // an id of the message, not of MESH
		}
		if err != nil {
			return details(err)
		}
		fmt.Fprintf(tab, "MESH\t%s\t%s\t%s\n", t.Uploaded, t.Status, strings.TrimSpace("as "+t.ID+" to "+or(t.ODS, or(t.Recipient, "nobody yet"))+" "+t.Code))
	}
	acknowledgements, err := s.Acknowledgements(ctx, id, 0)
	if err != nil {
		return details(err)
	}
	for _, a := range acknowledgements {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\n", a.Kind, a.At.Format(time.RFC3339), a.Code, a.Problem)
	}
	return tab.Flush()
}
