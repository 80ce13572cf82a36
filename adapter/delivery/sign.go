package delivery

import (
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"spadapter/adapter/issue"
)

// Sign gives the value of webhook-signature: one signature for each secret, with blanks
// between, so that a receiver that knows any of them can verify. Errors: exception for a
// secret that is none.
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme.
func Sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	var list []string
	for _, secret := range secrets {
		key, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", issue.New(issue.Exception, "stored-secret", "the stored secret of a webhook cannot be read").Because(err)
		}
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return "", issue.New(issue.Exception, "stored-secret", "a message cannot be signed").Because(err)
		}
		list = append(list, signature)
	}
	return strings.Join(list, " "), nil
}
