package mappings

import (
	"testing"

	"spadapter/adapter/mapping"
)

func TestLoad(t *testing.T) {
	if _, err := mapping.Load(mapping.Env{}, FS); err != nil {
		t.Fatal(err)
	}
}
