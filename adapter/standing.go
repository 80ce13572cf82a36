package main

// standing says in the log of a start what protects this adapter and what is off, so that a
// setting that did not arrive is seen at once: pairs of a name and a value. No secret and no
// path of a file is among them.
func (c *Config) standing() []any {
	clients := "none"
	switch {
	case c.TLSClientCA != "" && c.tls().mutual():
		clients = "required"
	case c.TLSClientCA != "":
		clients = "optional"
	}
	gp := c.GPConnectListen
	if gp == "" {
		gp = "off"
	}
	return []any{
		"tls", c.tls().on(), "client_certificates", clients, "gp_connect", gp,
		"data_keys", c.DataKeys != "" || c.DataKeysCommand != "", "audit_key", c.AuditKey != "",
		"issuers_file", c.Issuers != "", "trusted_proxies", len(c.TrustedProxies),
	}
}
