// Command draw makes the pictures of a sweep: each chart that stands in the JSON on its standard
// input is one SVG file in the folder that it is given, and the same chart is always the same file.
// It is a module of its own, so that gonum is no dependency of Pawl.
package main
