package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// composition is what docker-compose.yml says, as far as the program depends on it.
type composition struct {
	Services map[string]struct {
		Image       string
		Build       string
		Command     []string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		Networks    map[string]struct {
			Address string `yaml:"ipv4_address"`
		}
		Healthcheck struct {
			Test    []string
			Disable bool
		}
		DependsOn yaml.Node `yaml:"depends_on"`
		Restart   string
		Grace     string `yaml:"stop_grace_period"`
	}
	Volumes map[string]any
}

func readComposition(t *testing.T) composition {
	t.Helper()
	content, err := os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	var c composition
	require.NoError(t, yaml.Unmarshal(content, &c))
	return c
}

// dependencies are the services that depends_on names, in either form.
func dependencies(t *testing.T, node yaml.Node) []string {
	t.Helper()
	var names []string
	if node.Kind == yaml.MappingNode {
		for i := 0; i < len(node.Content); i += 2 {
			names = append(names, node.Content[i].Value)
		}
		return names
	}
	if node.Kind == yaml.SequenceNode {
		require.NoError(t, node.Decode(&names))
	}
	return names
}

func TestComposition(t *testing.T) {
	t.Parallel()
	c := readComposition(t)
	known := make(map[string]bool)
	for _, row := range new(settings).table() {
		known[row.name] = true
	}
	pinned := regexp.MustCompile(`^[a-z]+:\d[\w.-]*$`)
	for name, s := range c.Services {
		if s.Build == "" {
			require.Regexp(t, pinned, s.Image, name)
		}
		require.True(t, len(s.Healthcheck.Test) > 1 || s.Healthcheck.Disable, "%s has no health check", name)
		require.Contains(t, []string{"unless-stopped", "no"}, s.Restart, name)
		for _, dependency := range dependencies(t, s.DependsOn) {
			require.Contains(t, c.Services, dependency, name)
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if path, isFile := strings.CutPrefix(source, "./"); isFile {
				require.FileExists(t, "../../"+path)
			} else {
				require.Contains(t, c.Volumes, source, name)
			}
		}
		for _, port := range s.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s publishes %s to everybody", name, port)
		}
		if s.Build != "" {
			requireGoodEnvironment(t, name, s.Environment, known)
		}
	}
}

// requireGoodEnvironment checks that a node would start with an environment.
func requireGoodEnvironment(t *testing.T, name string, environment map[string]string, known map[string]bool) {
	t.Helper()
	var environ []string
	for variable, value := range environment {
		require.True(t, known[variable], "%s: %s is no setting", name, variable)
		environ = append(environ, variable+"="+value)
	}
	_, err := loadSettings(environ)
	require.NoError(t, err, name)
}

// TestCompositionIsOneService checks that what the services say of each other fits.
func TestCompositionIsOneService(t *testing.T) {
	t.Parallel()
	c := readComposition(t)
	nodes := []string{"node1", "node2", "node3"}
	balancer, first := c.Services["balancer"], c.Services[nodes[0]]
	trusted := balancer.Networks["default"].Address
	for i, name := range nodes {
		n := c.Services[name]
		require.Equal(t, name+":8080", balancer.Environment["NODE"+itoa(int64(i+1))])
		require.Equal(t, name+":7946", n.Environment["BOXOFFICE_NODE_ADDRESS"])
		require.Equal(t, trusted, n.Environment["BOXOFFICE_TRUSTED_PROXIES"])
		require.Equal(t, first.Volumes, n.Volumes, "they share the signing key")
		for _, shared := range []string{"BOXOFFICE_DATABASE_URL", "BOXOFFICE_NATS_URL"} {
			require.NotEmpty(t, n.Environment[shared])
			require.Equal(t, first.Environment[shared], n.Environment[shared])
		}
		require.Equal(t, "unless-stopped", n.Restart, "a fenced node is started again")
	}
	require.True(t, slices.Contains(c.Services["migrate"].Command, "migrate"))
	require.Equal(t, first.Environment["BOXOFFICE_DATABASE_URL"], c.Services["migrate"].Environment["BOXOFFICE_DATABASE_URL"])

	// The balancer's configuration uses the variables that it is given.
	config, err := os.ReadFile("../../deploy/haproxy.cfg")
	require.NoError(t, err)
	var used []string
	for _, found := range regexp.MustCompile(`"\$\{(\w+)\}"`).FindAllStringSubmatch(string(config), -1) {
		used = append(used, found[1])
	}
	given := make([]string, 0, len(balancer.Environment))
	for variable := range balancer.Environment {
		given = append(given, variable)
	}
	slices.Sort(used)
	require.ElementsMatch(t, slices.Compact(used), given)

	// With a key, it repeats what honours the key, and nothing else.
	found := regexp.MustCompile(`acl honours-key path_reg (\S+)`).FindStringSubmatch(string(config))
	require.NotNil(t, found)
	honours := regexp.MustCompile(found[1])
	for path, want := range map[string]bool{
		"/api/v1/schedules/7/reservations": true, "/api/v1/users/u/points/charges": true,
		"/api/v1/payments": true, "/api/v1/payments/p/cancellation": true,
		"/api/v1/users": false, "/api/v1/admin/concerts": false, "/api/v1/admin/concerts/3/schedules": false,
		"/api/v1/schedules/7/queue-tokens": false, "/api/v1/payments/p": false,
	} {
		require.Equal(t, want, honours.MatchString(path), path)
	}
}
