// Package check holds what stands under deploy to what it claims: image, compose files, Helm chart
// and systemd unit are valid, fit together, and give pawl settings that it accepts. It is a module
// of its own, so that Helm, Kubernetes' types and Compose are no dependencies of Pawl. Nothing is
// started and nothing is contacted.
//
// pawl_test.go builds the command as the image does and asks it about settings; image_test.go,
// compose_test.go, chart_test.go with rendered_test.go, and unit_test.go hold what is deployed.
package check
