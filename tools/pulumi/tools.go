//go:build tools

// Package tools pins the Pulumi command line that `citadel toolchain` builds.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
