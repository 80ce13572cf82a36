package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"spadapter/adapter/store"
)

// databaseFlags are those of every command that works on a database beside a server.
type databaseFlags struct {
	Database        string `help:"sqlite:PATH or postgres://…" env:"ADAPTER_DATABASE" default:"sqlite:adapter.db"`
	DataKeys        string `help:"Key set that documents in the database are sealed with." env:"ADAPTER_DATA_KEYS_FILE" name:"data-keys"`
	DataKeysCommand string `help:"Command that prints that key set." env:"ADAPTER_DATA_KEYS_COMMAND" name:"data-keys-command"`
	AuditKey        string `help:"File of the key that seals the audit, as the servers have it." env:"ADAPTER_AUDIT_KEY_FILE" name:"audit-key"`
}

// open opens a database that exists. What is done with it is in the audit, sealed as by a server.
func (f *databaseFlags) open(ctx context.Context) (*store.Store, error) {
	key, err := sealingKey(f.AuditKey)
	if err != nil {
		return nil, err
	}
	return f.look(ctx, store.SealedAudit(key))
}

// look opens a database that exists.
func (f *databaseFlags) look(ctx context.Context, options ...store.Option) (*store.Store, error) {
	if path, ok := strings.CutPrefix(f.Database, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("there is no database to look into: %w", err)
		}
	}
	return openStore(ctx, f.Database, f.DataKeys, f.DataKeysCommand, options...)
}

// openStore opens a database with its key set, if there is one.
func openStore(ctx context.Context, database, file, command string, options ...store.Option) (*store.Store, error) {
	keys, err := readDataKeys(ctx, file, command)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, database, append(options, store.Sealed(keys))...)
	if refused, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		// its words hold the user, the database and the address, and never the password
		return nil, fmt.Errorf("ADAPTER_DATABASE: %w: %v", err, refused)
	}
	return s, err
}

const (
	keysWithin = 30 * time.Second // a key service answers within a few
	keysBytes  = 1 << 20          // a key set has some hundred bytes for each key
)

// readDataKeys reads the key set, nil when none is named. What a command says beside it,
// and the set itself, is in no error: both may hold secrets.
func readDataKeys(ctx context.Context, file, command string) (*store.DataKeys, error) {
	switch {
	case file != "" && command != "":
		return nil, errors.New("ADAPTER_DATA_KEYS_FILE and ADAPTER_DATA_KEYS_COMMAND are both set: name the key set in one of them")
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("ADAPTER_DATA_KEYS_FILE: %w", err)
		}
		keys, err := store.ParseDataKeys(text)
		if err != nil {
			return nil, fmt.Errorf("ADAPTER_DATA_KEYS_FILE: %w", err)
		}
		return keys, nil
	case command == "":
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keysWithin)
	defer cancel()
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, errors.New("ADAPTER_DATA_KEYS_COMMAND is blank: name a program")
	}
	run := exec.CommandContext(ctx, words[0], words[1:]...)
	run.WaitDelay = time.Second // a child that keeps our pipe open is not waited for
	out := bounded{left: keysBytes}
	run.Stdout = &out
	if err := run.Run(); err != nil {
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("ADAPTER_DATA_KEYS_COMMAND did not end within %v", keysWithin)
		case errors.As(err, &exit):
			return nil, fmt.Errorf("ADAPTER_DATA_KEYS_COMMAND ended with status %d: run it by hand to see why", exit.ExitCode())
		}
		return nil, errors.New("ADAPTER_DATA_KEYS_COMMAND cannot be run: it is a program and its arguments with blanks between, without a shell")
	}
	keys, err := store.ParseDataKeys(out.text.Bytes())
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_DATA_KEYS_COMMAND: %w", err)
	}
	return keys, nil
}

// bounded keeps so many bytes of what is written and refuses more.
type bounded struct {
	text bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, io.ErrShortWrite
	}
	return b.text.Write(p)
}

// dataKeysCmd makes and changes key sets; the file of the one before is never overwritten.
type dataKeysCmd struct {
	File string `arg:"" help:"File for the key set; never overwritten. - is standard output." type:"path"`
	From string `help:"Key set to go on from: a new key is put in front of its keys." type:"path"`
	Drop bool   `help:"With -from: leave only the newest key, once 'adapter encrypt' has sealed everything with it."`
}

func (c *dataKeysCmd) Run() error {
	var before []byte
	if c.From != "" {
		var err error
		if before, err = os.ReadFile(c.From); err != nil {
			return err
		}
	}
	text, err := store.NewDataKeys(before)
	if c.Drop {
		if c.From == "" {
			return errors.New("-drop needs -from: the key set to drop from")
		}
		text, err = store.DropDataKeys(before)
	}
	if err != nil {
		return err
	}
	if strings.HasSuffix(c.File, "/-") || c.File == "-" {
		_, err := os.Stdout.Write(text)
		return err
	}
	if err := writeNew(c.File, text); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is kept; name another file", c.File)
	} else if err != nil {
		return err
	}
	fmt.Printf("key set  %s  (ADAPTER_DATA_KEYS_FILE; keep it secret, apart from the database, and safe: without it nothing that is sealed can be read)\n", c.File)
	return nil
}

// writeNew writes a file that nobody else may read, and overwrites none.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
