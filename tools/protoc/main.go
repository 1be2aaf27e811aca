// Command protoc turns the .proto files of a directory into Go, beside them or in
// another directory, with protoc-gen-go: what `protoc --go_out=. --go_opt=paths=source_relative` does, but
// with nothing to install. The compiler is a Go library, and both it and the plugin
// are pinned in this module.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "protoc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) < 1 || len(arguments) > 2 {
		return errors.New("usage: protoc <directory of .proto files> [<output directory>]")
	}
	dir, out := arguments[0], arguments[len(arguments)-1]
	request, err := compile(ctx, dir)
	if err != nil {
		return err
	}
	response, err := generate(ctx, request)
	if err != nil {
		return err
	}
	for _, file := range response.GetFile() {
		path := filepath.Join(out, file.GetName())
		if err := os.WriteFile(path, []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compile makes what a plugin is asked with.
func compile(ctx context.Context, dir string) (*pluginpb.CodeGeneratorRequest, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.proto"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no .proto files in %s", dir)
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments go into the Go code
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: names,
		Parameter:      proto.String("paths=source_relative"),
	}
	seen := map[string]bool{}
	for _, file := range files {
		add(request, seen, protoutil.ProtoFromFileDescriptor(file), func(name string) *descriptorpb.FileDescriptorProto {
			return protoutil.ProtoFromFileDescriptor(files.FindFileByPath(name))
		})
	}
	return request, nil
}

// add adds a file after what it imports, as plugins want them.
func add(request *pluginpb.CodeGeneratorRequest, seen map[string]bool, file *descriptorpb.FileDescriptorProto, find func(string) *descriptorpb.FileDescriptorProto) {
	if seen[file.GetName()] {
		return
	}
	seen[file.GetName()] = true
	for _, name := range file.GetDependency() {
		add(request, seen, find(name), find)
	}
	request.ProtoFile = append(request.ProtoFile, file)
}

// generate asks protoc-gen-go.
func generate(ctx context.Context, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	plugin := exec.CommandContext(ctx, "go", "tool", "protoc-gen-go")
	plugin.Stdin = bytes.NewReader(input)
	plugin.Stderr = os.Stderr
	output, err := plugin.Output()
	if err != nil {
		return nil, fmt.Errorf("run protoc-gen-go: %w", err)
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(output, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response, nil
}
