package main

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keyFile is where a node without a key of its own keeps the one that it made.
const keyFile = "jwt-key.pem"

// pemType is the PEM type of a PKCS #8 key.
const pemType = "PRIVATE KEY"

// nodeKey returns the key that tokens are signed with: the one that was set, or the one
// of the data directory, which is made at first need; made is its path if it was.
func nodeKey(s settings) (key ed25519.PrivateKey, made string, err error) {
	if s.JWTKey != nil {
		return s.JWTKey, "", nil
	}
	path := filepath.Join(s.DataDir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, "", fmt.Errorf("make the signing key in BOXOFFICE_DATA_DIR: %w", err)
		}
		made = path
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the signing key in BOXOFFICE_DATA_DIR: %w", err)
	}
	if key, err = parseKey(string(text)); err != nil {
		return nil, "", fmt.Errorf("%s holds no Ed25519 private key; remove it to have one made", path)
	}
	return key, made, nil
}

// nodeSecret is what the nodes of a service prove to each other that they know, where they
// have no certificates: whoever may sign tokens may be a node.
func nodeSecret(key ed25519.PrivateKey) ([]byte, error) {
	return hkdf.Key(sha256.New, key.Seed(), nil, "boxoffice nodes", ed25519.SeedSize)
}

// makeKey leaves a key at path, whole or not at all. Of several programs that make one
// at the same time the first wins and the others leave its key alone: a link, unlike a
// rename, does not replace.
func makeKey(path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil { //nolint:gosec // the operator says where
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() //nolint:gosec // as above; the link, if any, stays
	err = pem.Encode(f, &pem.Block{Type: pemType, Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
