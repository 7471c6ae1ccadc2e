package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is a picture to be made; charts.go of the sweep says what its fields mean.
type chart struct {
	File   string
	Title  string
	X, Y   axis
	Series []series
}

type axis struct {
	Label string
	Log   bool
}

type series struct {
	Name   string
	Line   bool
	Points [][2]float64
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: draw DIR < charts.json")
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

// run draws all charts and tells how large each file is.
func run(in io.Reader, out io.Writer, dir string) error {
	var all []chart
	if err := json.NewDecoder(in).Decode(&all); err != nil {
		return fmt.Errorf("read charts: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	for _, c := range all {
		text, err := c.svg()
		if err != nil {
			return fmt.Errorf("draw %s: %w", c.File, err)
		}
		path := filepath.Join(dir, filepath.Base(c.File))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		fmt.Fprintf(out, "%s, %d bytes\n", path, len(text))
	}
	return nil
}

const (
	width  = 16 * vg.Centimeter
	height = 10 * vg.Centimeter
)

// colours of a quantity: its points and its line have the same, and they differ in shade and shape
// for whoever sees no colours.
var colours = []color.Color{color.RGBA{0x1f, 0x5f, 0xa8, 0xff}, color.RGBA{0xc2, 0x5a, 0x10, 0xff},
	color.RGBA{0x70, 0x70, 0x70, 0xff}}

// svg draws a chart.
func (c *chart) svg() (string, error) {
	p := plot.New()
	for _, style := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle,
		&p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		style.Font.Variant = "Sans"
	}
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X.Label, c.Y.Label
	p.Title.Padding = vg.Points(8)
	// Its words stand to the right of its signs, so that a browser's font may be wider than ours.
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs = true, true, vg.Points(8)
	p.Legend.Padding = vg.Points(2)
	p.Add(plotter.NewGrid())
	drawn := 0
	for _, s := range c.Series {
		if len(s.Points) == 0 {
			continue
		}
		if err := s.add(p, drawn); err != nil {
			return "", fmt.Errorf("series %s: %w", s.Name, err)
		}
		drawn++
	}
	if drawn == 0 {
		return "", errors.New("no series has points")
	}
	c.X.shape(&p.X)
	c.Y.shape(&p.Y)
	if at := c.columns(); len(at) <= maxColumns {
		p.X.Tick.Marker = plot.ConstantTicks(at)
	}
	canvas := vgsvg.New(width, height)
	p.Draw(draw.New(canvas))
	var text strings.Builder
	if _, err := canvas.WriteTo(&text); err != nil {
		return "", err
	}
	// Whoever looks need not have the font.
	return strings.ReplaceAll(text.String(), "font-family:Liberation Sans;",
		"font-family:Liberation Sans,Arial,Helvetica,sans-serif;"), nil
}

// maxColumns is for how many places on the X axis each has a tick of its own.
const maxColumns = 6

// columns are ticks where the chart has points.
func (c *chart) columns() []plot.Tick {
	var ticks []plot.Tick
	for _, s := range c.Series {
		for _, at := range s.Points {
			if !slices.ContainsFunc(ticks, func(t plot.Tick) bool { return t.Value == at[0] }) {
				ticks = append(ticks, plot.Tick{Value: at[0],
					Label: strconv.FormatFloat(at[0], 'f', -1, 64)})
			}
		}
	}
	return ticks
}

// add draws a series: a measured one in points, the model's in a line of the same colour.
func (s *series) add(p *plot.Plot, n int) error {
	points := make(plotter.XYs, len(s.Points))
	for i, at := range s.Points {
		points[i].X, points[i].Y = at[0], at[1]
	}
	colour := n
	if strings.HasSuffix(s.Name, ", model") || strings.HasSuffix(s.Name, ", measured") {
		colour = n / 2
	}
	if s.Line {
		l, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		l.Color, l.Width = colours[colour%len(colours)], vg.Points(1.5)
		p.Add(l)
		p.Legend.Add(s.Name, l)
		return nil
	}
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	dots.Color, dots.Radius = colours[colour%len(colours)], vg.Points(3.5)
	dots.Shape = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}}[colour%2]
	p.Add(dots)
	p.Legend.Add(s.Name, dots)
	return nil
}

// shape gives an axis its scale, and the legend room above.
func (a axis) shape(to *plot.Axis) {
	if a.Log {
		to.Scale, to.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		to.Min, to.Max = to.Min/1.3, to.Max*1.3
		return
	}
	to.Min, to.Max = 0, to.Max*1.4
}
