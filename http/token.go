package http

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"boxoffice"
)

const (
	issuer          = "boxoffice"
	accessTokenType = "at+jwt"
	// maxAccessToken bounds the length of a token, in bytes; the program's own have about
	// 350.
	maxAccessToken = 2048
	// maxVerified bounds the tokens of each kind whose signature is not checked again. A
	// cache finds a token by a hash that nobody outside can compute, so its timing does not
	// reveal how much of a guess is right.
	maxVerified = 20_000

	roleUser  = "user"
	roleAdmin = "admin"
)

// Caller is the user or admin that an access token names.
type Caller struct {
	UserID uuid.UUID
	Admin  bool
}

// Keys signs and checks tokens. Access tokens are JWTs signed with the node key, so
// that others can check them with the key set (/.well-known/jwks.json); queue tokens are checked
// at every poll and by this program only, and carry a MAC whose key is derived from the
// node key. It is safe for concurrent use.
type Keys struct {
	private   ed25519.PrivateKey
	id        string // RFC 7638 thumbprint
	queueKey  []byte
	queueHead string // what every queue token begins with, its first dot included
	parser    *jwt.Parser
	verified  *recent[string, verifiedToken]
	admitted  *recent[string, queueClaims] // by verified token
}

type verifiedToken struct {
	caller    Caller
	expiresAt time.Time
}

// NewKeys returns the keys of a node, the same for the same private key.
func NewKeys(private ed25519.PrivateKey) (*Keys, error) {
	if len(private) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("an Ed25519 private key has %d bytes, not %d", ed25519.PrivateKeySize, len(private))
	}
	queueKey, err := hkdf.Key(sha256.New, private.Seed(), nil, "boxoffice queue token 1", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the queue tokens' key: %w", err)
	}
	k := &Keys{
		private:   private,
		queueKey:  queueKey,
		queueHead: base64.RawURLEncoding.EncodeToString([]byte(queueTokenHead)) + ".",
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation(), // verifyAccess validates them, by the right clock
		),
		verified: newRecent[string, verifiedToken](maxVerified),
		admitted: newRecent[string, queueClaims](maxVerified),
	}
	thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":"%s"}`, k.x()))
	k.id = base64.RawURLEncoding.EncodeToString(thumbprint[:])
	return k, nil
}

// x returns the public key in the form of a JWK.
func (k *Keys) x() string {
	return base64.RawURLEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// jwk is the public key that access tokens are checked with (RFC 8037).
type jwk struct {
	KeyType   string `json:"kty" example:"OKP"`
	Curve     string `json:"crv" example:"Ed25519"`
	X         string `json:"x" doc:"the public key, base64url"`
	ID        string `json:"kid"`
	Use       string `json:"use" example:"sig"`
	Algorithm string `json:"alg" example:"EdDSA"`
}

type jwkSet struct {
	Keys []jwk `json:"keys" nullable:"false"`
}

func (k *Keys) jwks() jwkSet {
	return jwkSet{Keys: []jwk{{
		KeyType: "OKP", Curve: "Ed25519", X: k.x(), ID: k.id, Use: "sig", Algorithm: jwt.SigningMethodEdDSA.Alg(),
	}}}
}

type accessClaims struct {
	jwt.RegisteredClaims

	Role string `json:"role"`
}

// SignAccess returns an access token that is valid for ttl, in whole seconds, from now on.
func (k *Keys) SignAccess(caller Caller, now time.Time, ttl time.Duration) (token string, expiresAt time.Time, err error) {
	now = now.UTC().Truncate(time.Second)
	expiresAt = now.Add(ttl.Truncate(time.Second))
	claims := accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   caller.UserID.String(),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expiresAt),
		},
		Role: roleUser,
	}
	if caller.Admin {
		claims.Role = roleAdmin
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	unsigned.Header["typ"] = accessTokenType
	unsigned.Header["kid"] = k.id
	token, err = unsigned.SignedString(k.private)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign an access token: %w", err)
	}
	return token, expiresAt, nil
}

// verifyAccess returns the caller that an access token names, or fails with
// unauthenticated.
func (k *Keys) verifyAccess(token string, now time.Time) (Caller, error) {
	if known, ok := k.verified.get(token); ok {
		if !now.Before(known.expiresAt) {
			return Caller{}, boxoffice.Errorf(boxoffice.CodeUnauthenticated, "the access token has expired")
		}
		return known.caller, nil
	}
	// Package base64 skips line breaks, so a token would have many spellings.
	if len(token) > maxAccessToken || strings.ContainsAny(token, "\r\n") {
		return Caller{}, boxoffice.Errorf(boxoffice.CodeUnauthenticated, "the access token is not one of ours")
	}
	var claims accessClaims
	if _, err := k.parser.ParseWithClaims(token, &claims, k.keyOf); err != nil {
		return Caller{}, boxoffice.Errorf(boxoffice.CodeUnauthenticated, "the access token is not one of ours")
	}
	caller := Caller{Admin: claims.Role == roleAdmin}
	userID, ok := parseUUID(claims.Subject)
	if !ok || claims.Issuer != issuer || claims.ExpiresAt == nil || (claims.Role != roleUser && !caller.Admin) {
		return Caller{}, boxoffice.Errorf(boxoffice.CodeUnauthenticated, "the access token names nobody")
	}
	caller.UserID = userID
	if !now.Before(claims.ExpiresAt.Time) {
		return Caller{}, boxoffice.Errorf(boxoffice.CodeUnauthenticated, "the access token has expired")
	}
	k.verified.add(token, verifiedToken{caller: caller, expiresAt: claims.ExpiresAt.Time})
	return caller, nil
}

// keyOf returns the key for a token whose header is that of our access tokens.
func (k *Keys) keyOf(token *jwt.Token) (any, error) {
	_, critical := token.Header["crit"]
	if token.Header["typ"] != accessTokenType || token.Header["kid"] != k.id || critical {
		return nil, errors.New("not an access token of this key")
	}
	return k.private.Public(), nil
}
