// Command witnesstest does what litewitness leaves to others: it is an ssh-agent with one new Ed25519
// key (agent SOCKET), whose fingerprint it prints, and tells the witness of a log (add DB ORIGIN KEY).
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "witnesstest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "agent":
		return serve(args[1])
	case len(args) == 4 && args[0] == "add":
		return add(args[1], args[2], args[3])
	}
	return errors.New("usage: witnesstest agent SOCKET | add DB ORIGIN KEY")
}

// add is what witnessctl does, which needs a module that not every proxy has.
func add(path, origin, key string) error {
	db, err := sqlite.OpenConn(path)
	if err != nil {
		return err
	}
	defer db.Close()
	const emptyRoot = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	log := &sqlitex.ExecOptions{Args: []any{origin, emptyRoot}}
	insert := "INSERT OR IGNORE INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)"
	if err := sqlitex.Execute(db, insert, log); err != nil {
		return err
	}
	signer := &sqlitex.ExecOptions{Args: []any{origin, key}}
	return sqlitex.Execute(db, "INSERT INTO key (origin, key) VALUES (?, ?)", signer)
}

func serve(socket string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		return err
	}
	shared, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println(ssh.FingerprintSHA256(shared))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go agent.ServeAgent(keys, connection)
	}
}
