//go:build tools

// Package tools pins the Vault that tests run against; it is never shipped.
package tools

import _ "github.com/hashicorp/vault"
