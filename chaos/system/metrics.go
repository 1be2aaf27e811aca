package system

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"boxoffice/internal/rig"
)

// Sum adds up the samples of a metric over all of its labels and all nodes that are up.
func (s *System) Sum(ctx context.Context, metric string) (float64, error) {
	var sum float64
	for _, n := range s.nodes {
		of, err := n.sum(ctx, metric)
		if err != nil {
			return 0, fmt.Errorf("metrics of node %d: %w", n.Index, err)
		}
		sum += of
	}
	return sum, nil
}

func (n *Node) sum(ctx context.Context, metric string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var sum float64
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name, _, _ = strings.Cut(name, "{"); name != metric {
			continue
		}
		sample, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		sum += sample
	}
	return sum, nil
}

// Ready reports whether a node says that it is ready.
func (n *Node) Ready(ctx context.Context) bool { return rig.IsReady(ctx, n.URL+"/readyz") }
