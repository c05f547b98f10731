// Command evidenceverify checks a log with Go's own transparency log packages, which share no code
// with the program that wrote it. It takes a directory, a verifier key and the size and root of an
// older checkpoint file, and says what is wrong or how much it verified.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	if len(os.Args) != 4 {
		fail(errors.New("usage: evidenceverify DIR KEY OLDER-CHECKPOINT"))
	}
	entries, err := verify(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fail(err)
	}
	fmt.Printf("verified %d entries\n", entries)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "evidenceverify:", err)
	os.Exit(1)
}

func verify(dir, key, older string) (int64, error) {
	verifier, rotations, err := follow(dir, key)
	if err != nil {
		return 0, err
	}
	tree, err := checkpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return 0, err
	}
	old, err := checkpoint(older, verifier)
	if err != nil {
		return 0, err
	}
	hashes := tlog.TileHashReader(tree, tiles{dir})
	entries, err := leaves(dir, tree, hashes)
	if err != nil {
		return 0, err
	}
	for _, rotation := range rotations {
		if err := rotation.confirm(entries); err != nil {
			return 0, err
		}
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return 0, fmt.Errorf("consistency with %d: %w", old.N, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return 0, fmt.Errorf("consistency with %d: %w", old.N, err)
	}
	return tree.N, nil
}

// rotation is that a log went over to another key: a note that both sign.
type rotation struct {
	note  string
	entry int
	to    note.Verifier
}

// follow returns the keys that the given one leads to, with what both of each two signed.
func follow(dir, key string) (note.Verifiers, []rotation, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, nil, err
	}
	all := []note.Verifier{verifier}
	var rotations []rotation
	for {
		path := filepath.Join(dir, "rotation", fmt.Sprintf("%08x", verifier.KeyHash()))
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return note.VerifierList(all...), rotations, nil
		}
		if err != nil {
			return nil, nil, err
		}
		next, err := readRotation(string(text), verifier)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		verifier = next.to
		all = append(all, verifier)
		rotations = append(rotations, next)
	}
}

func readRotation(text string, from note.Verifier) (rotation, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 5 || lines[0] != "comptroller.dev/key-rotation/v1" {
		return rotation{}, errors.New("no rotation")
	}
	to, err := note.NewVerifier(lines[4])
	if err != nil {
		return rotation{}, err
	}
	signed, err := note.Open([]byte(text), note.VerifierList(from, to))
	if err != nil {
		return rotation{}, err
	}
	if len(signed.Sigs) != 2 {
		return rotation{}, errors.New("not signed by both keys")
	}
	entry, err := strconv.Atoi(lines[2])
	return rotation{note: text, entry: entry, to: to}, err
}

// confirm checks that the log itself says so.
func (r rotation) confirm(entries [][]byte) error {
	if r.entry >= len(entries) {
		return fmt.Errorf("entry %d of a rotation is missing", r.entry)
	}
	var entry struct {
		Data struct {
			Event    string
			Rotation struct{ Note string }
		}
	}
	if err := json.Unmarshal(entries[r.entry], &entry); err != nil {
		return err
	}
	if entry.Data.Event != "KeyRotated" || entry.Data.Rotation.Note != r.note {
		return fmt.Errorf("entry %d does not say that the key was replaced", r.entry)
	}
	return nil
}

// checkpoint reads a C2SP tlog-checkpoint: origin, size and root, each on a line.
func checkpoint(path string, verifiers note.Verifiers) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(text, verifiers)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %w", path, err)
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 {
		return tlog.Tree{}, fmt.Errorf("%s: no checkpoint", path)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// leaves checks every entry against the tree, one inclusion proof each, and returns them.
func leaves(dir string, tree tlog.Tree, hashes tlog.HashReader) ([][]byte, error) {
	var entries [][]byte
	var all []tlog.Hash
	for number := int64(0); number<<height < tree.N; number++ {
		width := min(tree.N-number<<height, 1<<height)
		bundle, err := os.ReadFile(filepath.Join(dir, path("entries", number, width)))
		if err != nil {
			return nil, err
		}
		for count := int64(0); count < width; count++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("entry %d is cut off", number<<height+count)
			}
			length := int(binary.BigEndian.Uint16(bundle))
			all = append(all, tlog.RecordHash(bundle[2:2+length]))
			entries = append(entries, bundle[2:2+length])
			bundle = bundle[2+length:]
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("bundle %d is too long", number)
		}
	}
	for index, leaf := range all {
		proof, err := tlog.ProveRecord(tree.N, int64(index), hashes)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), leaf); err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
	}
	return entries, nil
}

// path is that of C2SP tlog-tiles, which has no tile height in it.
func path(level string, number, width int64) string {
	name := fmt.Sprintf("%03d", number%1000)
	for number /= 1000; number > 0; number /= 1000 {
		name = fmt.Sprintf("x%03d/%s", number%1000, name)
	}
	if width < 1<<height {
		name += fmt.Sprintf(".p/%d", width)
	}
	return "tile/" + level + "/" + name
}

type tiles struct{ dir string }

func (tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		name := path(strconv.Itoa(tile.L), tile.N, int64(tile.W))
		bytes, err := os.ReadFile(filepath.Join(t.dir, name))
		if err != nil {
			return nil, err
		}
		read = append(read, bytes)
	}
	return read, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
