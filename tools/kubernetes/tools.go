//go:build tools

// Package tools pins the API server and the etcd that tests run against; they are never shipped.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
