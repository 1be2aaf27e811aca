package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"boxoffice/persistence"
)

// value reads one setting.
type value struct {
	must   string             // completes "NAME must be …"
	bounds string             // least and most, of numbers and durations
	secret bool               // messages must not repeat it
	set    func(string) error // errBadSetting, or a *fs.PathError of a file that cannot be read
}

// errBadSetting says that a text is not what the setting must be.
var errBadSetting = errors.New("bad setting")

// parsed returns a value that parse makes of the text.
func parsed[T any](at *T, must string, parse func(string) (T, error)) value {
	return value{must: must, set: func(text string) (err error) {
		*at, err = parse(text)
		return err
	}}
}

// text is a value that is the text itself, if ok says so.
func text(at *string, must string, ok func(string) bool) value {
	return parsed(at, must, func(text string) (string, error) { return text, unless(ok(text)) })
}

func unless(ok bool) error {
	if ok {
		return nil
	}
	return errBadSetting
}

// orFile returns v as a value that may also be in a file, named after @.
func orFile(v value) value {
	set := v.set
	v.must += ", or @ and the path of a file that holds it"
	v.set = func(text string) error {
		if path, isPath := strings.CutPrefix(text, "@"); isPath {
			content, err := os.ReadFile(path) //nolint:gosec // the operator says which
			if err != nil {
				return err
			}
			text = strings.TrimSpace(string(content))
		}
		return set(text)
	}
	return v
}

// secret returns v as a value that messages do not repeat.
func secret(v value) value {
	v.secret = true
	return v
}

func number(at *int, least, most int) value {
	v := parsed(at, fmt.Sprintf("a whole number from %d to %d", least, most), func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		return n, unless(err == nil && n >= least && n <= most)
	})
	v.bounds = fmt.Sprintf("%d–%d", least, most)
	return v
}

func duration(at *time.Duration, least, most time.Duration) value {
	must := "a duration of whole milliseconds from " + short(least) + " to " + short(most) + ", such as 500ms or 1m30s"
	v := parsed(at, must, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		return d, unless(err == nil && d >= least && d <= most && d%time.Millisecond == 0)
	})
	v.bounds = short(least) + "–" + short(most)
	return v
}

// short writes 24h0m0s as 24h.
func short(d time.Duration) string {
	return regexp.MustCompile(`([hm])(0[ms])+$`).ReplaceAllString(d.String(), "$1")
}

func boolean(at **bool) value {
	return parsed(at, "true or false", func(text string) (*bool, error) {
		b, err := strconv.ParseBool(text)
		return &b, err
	})
}

// listenAddress is where to listen: an empty host is every interface.
func listenAddress(at *string) value {
	return text(at, "host:port, such as 127.0.0.1:8080 or :8080", isAddress)
}

func isAddress(text string) bool {
	_, ok := splitAddress(text)
	return ok
}

// splitAddress returns the host of an address with a numeric port.
func splitAddress(address string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' }) {
		return "", false
	}
	return host, isPort(port)
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// isUnspecified reports whether a host stands for every interface.
func isUnspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// nodeAddress is an address that others connect to.
func nodeAddress(at *string) value {
	return text(at, "host:port with a host that other nodes can reach, such as 10.0.0.7:7946", func(text string) bool {
		host, ok := splitAddress(text)
		return ok && !isUnspecified(host)
	})
}

// loopbackAddress is an address that only this machine can reach.
func loopbackAddress(at *string) value {
	return text(at, "host:port on a loopback address, such as 127.0.0.1:6060", func(text string) bool {
		host, ok := splitAddress(text)
		return ok && isLoopback(host)
	})
}

func databaseURL(at *string) value {
	return secret(orFile(text(at, "a PostgreSQL URL, such as postgres://user:password@host:5432/database, "+
		"with special characters percent-encoded and without pool_ parameters", func(text string) bool {
		return persistence.CheckURL(text) == nil
	})))
}

// natsURL is one URL or several. An "@" beyond the host is the end of a password that should
// have been percent-encoded: what stands before it would be looked up as a host.
func natsURL(at *string) value {
	return secret(orFile(text(at, "a NATS URL or several separated by commas, such as nats://host:4222", func(text string) bool {
		for one := range strings.SplitSeq(text, ",") {
			u, err := url.Parse(strings.TrimSpace(one))
			if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) ||
				u.Port() != "" && !isPort(u.Port()) ||
				strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
				return false
			}
		}
		return true
	})))
}

// clusterName separates services that share a NATS.
func clusterName(at *string) value {
	return text(at, "1–64 letters, digits, '-' or '_'", regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`).MatchString)
}

// credentialsFile is the path of a NATS credentials file, which is read later, and again.
func credentialsFile(at *string) value {
	return parsed(at, "the path of a NATS credentials file that can be read", func(path string) (string, error) {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		_, err = jwt.ParseDecoratedUserNKey(content)
		return path, unless(err == nil)
	})
}

// pemBlocks are the blocks of a PEM text. Where an environment cannot hold line breaks, \n
// may stand for them.
func pemBlocks(text string) (content []byte, blocks []*pem.Block) {
	content = []byte(strings.ReplaceAll(text, `\n`, "\n"))
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	return content, blocks
}

// certificates are one or more, and nothing else: a key in their place is a mistake.
func certificates(at *[]byte) value {
	return orFile(parsed(at, "one or more certificates as PEM", func(text string) ([]byte, error) {
		content, blocks := pemBlocks(text)
		good := !slices.ContainsFunc(blocks, func(b *pem.Block) bool {
			_, err := x509.ParseCertificate(b.Bytes)
			return b.Type != "CERTIFICATE" || err != nil
		})
		return content, unless(good && len(blocks) > 0)
	}))
}

// privateKey is the key of a certificate. Whether it is usable is seen with that.
func privateKey(at *[]byte) value {
	return secret(orFile(parsed(at, "a private key as PEM, not encrypted", func(text string) ([]byte, error) {
		content, blocks := pemBlocks(text)
		return content, unless(slices.ContainsFunc(blocks, func(b *pem.Block) bool {
			return strings.HasSuffix(b.Type, pemType) && b.Type != "ENCRYPTED "+pemType
		}))
	})))
}

// signingKey is what tokens are signed with.
func signingKey(at *ed25519.PrivateKey) value {
	return secret(orFile(parsed(at, "an Ed25519 private key as PKCS #8 PEM (openssl genpkey -algorithm ed25519)", parseKey)))
}

func parseKey(text string) (ed25519.PrivateKey, error) {
	_, blocks := pemBlocks(text)
	if len(blocks) == 0 || blocks[0].Type != pemType {
		return nil, errBadSetting
	}
	key, err := x509.ParsePKCS8PrivateKey(blocks[0].Bytes)
	private, ok := key.(ed25519.PrivateKey)
	return private, unless(err == nil && ok)
}

// prefixes are networks; an address alone is a network of one.
func prefixes(at *[]netip.Prefix) value {
	return parsed(at, "networks and addresses separated by commas, such as 10.0.0.0/8,192.0.2.7", func(text string) ([]netip.Prefix, error) {
		var all []netip.Prefix
		for one := range strings.SplitSeq(text, ",") {
			one = strings.TrimSpace(one)
			prefix, err := netip.ParsePrefix(one)
			if err != nil {
				address, err := netip.ParseAddr(one)
				if err != nil || address.Zone() != "" {
					return nil, errBadSetting
				}
				prefix = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen())
			}
			all = append(all, prefix.Masked())
		}
		return all, nil
	})
}

// logLevel is the least level that is logged.
func logLevel(at *slog.Level) value {
	return parsed(at, "debug, info, warn or error", func(text string) (level slog.Level, err error) {
		err = level.UnmarshalText([]byte(text))
		return level, unless(err == nil && !bytes.ContainsAny([]byte(text), "+-"))
	})
}

// The forms of the log.
const (
	logAuto = "auto"
	logText = "text"
	logJSON = "json"
)

func logFormat(at *string) value {
	return text(at, "auto, text or json", func(text string) bool { return slices.Contains([]string{logAuto, logText, logJSON}, text) })
}
