package main

import "github.com/spf13/cobra"

func fitCommand() *cobra.Command  { return &cobra.Command{Use: "fit"} }
func plotCommand() *cobra.Command { return &cobra.Command{Use: "plot"} }
