//! The plots, as SVG.

use super::figures::{Figures, Row};
use super::report::grouped;
use anyhow::{anyhow, Result};
use plotters::prelude::*;
use std::fmt::Display;

const SIZE: (u32, u32) = (720, 420);

/// A line of a plot.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

const COLORS: [RGBColor; 4] = [
    RGBColor(0xc0, 0x39, 0x2b),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x2c, 0x5f, 0xa8),
    RGBColor(0x55, 0x55, 0x55),
];

/// The cost of an element over the size of the set.
pub fn elements(rows: &[Row]) -> Result<String> {
    let line = |name, i: usize, op: &str, side: fn(&Row) -> &Option<Figures>| {
        let rows = rows
            .iter()
            .filter(|row| row.case == "ksort" && row.unit == "instructions" && row.op == op);
        Line {
            name,
            color: COLORS[i],
            points: rows
                .filter_map(|row| Some((row.elements? as f64, side(row).as_ref()?.median)))
                .collect(),
        }
    };
    let lines = [
        line("ours, auto", 0, "auto", |row| &row.ours),
        line("ours, the kernel's sort()", 1, "heap", |row| &row.ours),
        line("C, the kernel's sort()", 2, "heap", |row| &row.c),
        line("userland, qsort(3)", 3, "auto", |row| &row.userland),
    ];
    draw(
        "ksort: instructions for each element, random i32, from write(2) to read(2)",
        ("elements", "instructions for each"),
        ((1e3..1e7).log_scale(), (10.0..2e3).log_scale()),
        &lines,
        [&|x: &f64| grouped(*x), &|y: &f64| grouped(*y)],
        SeriesLabelPosition::MiddleRight,
    )
}

/// What more CPUs bring, by the clock.
pub fn scaling(rows: &[Row]) -> Result<String> {
    let of = |case: &str, op: &str, unit: &str| -> Vec<&Row> {
        let same = |row: &&Row| row.case == case && row.op == op && row.unit == unit;
        rows.iter().filter(same).collect()
    };
    let ksort = |op| -> Vec<(f64, f64)> {
        let rows = of("ksort", op, "times faster").into_iter();
        let more = rows.filter_map(|row| Some((row.cpus.into(), row.ours.as_ref()?.median)));
        std::iter::once((1.0, 1.0)).chain(more).collect()
    };
    let counter = |side: fn(&Row) -> &Option<Figures>| -> Vec<(f64, f64)> {
        let rows = of("percpu_counter", "count", "nanoseconds").into_iter();
        let times: Vec<(f64, f64)> = rows
            .filter_map(|row| Some((row.cpus.into(), side(row).as_ref()?.median)))
            .collect();
        let one = times.first().map_or(1.0, |point| point.1);
        times.iter().map(|&(cpus, ns)| (cpus, one / ns)).collect()
    };
    let lines = [
        ("ksort, 1,000,000 i32", ksort("auto")),
        ("ksort, the sort alone", ksort("auto, the sort alone")),
        ("percpu_counter, ours", counter(|row| &row.ours)),
        ("percpu_counter, C", counter(|row| &row.c)),
    ];
    let lines: Vec<Line> = lines
        .into_iter()
        .zip(COLORS)
        .map(|((name, points), color)| Line {
            name,
            color,
            points,
        })
        .collect();
    let points = lines.iter().flat_map(|line| &line.points);
    let top = points.map(|point| point.1).fold(2.0, f64::max) * 1.1;
    draw(
        "Throughput with more CPUs, against one",
        ("CPUs", "times that of one"),
        (1.0..4.0, 0.0..top),
        &lines,
        [
            &|x: &f64| match x.fract() == 0.0 {
                true => format!("{x:.0}"),
                false => String::new(),
            },
            &|y: &f64| format!("{y:.1}"),
        ],
        SeriesLabelPosition::UpperLeft,
    )
}

fn draw<X, Y>(
    title: &str,
    (x_name, y_name): (&str, &str),
    (x, y): (X, Y),
    lines: &[Line],
    [x_label, y_label]: [&dyn Fn(&f64) -> String; 2],
    legend: SeriesLabelPosition,
) -> Result<String>
where
    X: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    X::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
    Y::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let failed = |error: &dyn Display| anyhow!("cannot draw the plot: {error}");
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|e| failed(&e))?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .margin_right(32)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(x, y)
            .map_err(|e| failed(&e))?;
        chart
            .configure_mesh()
            .x_desc(x_name)
            .y_desc(y_name)
            .x_label_formatter(x_label)
            .y_label_formatter(y_label)
            .light_line_style(&WHITE)
            .draw()
            .map_err(|e| failed(&e))?;
        for line in lines.iter().filter(|line| !line.points.is_empty()) {
            let style = ShapeStyle::from(line.color).stroke_width(2);
            let points = line.points.iter().copied();
            chart
                .draw_series(LineSeries::new(points.clone(), style).point_size(3))
                .map_err(|e| failed(&e))?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(legend)
            .background_style(&WHITE)
            .border_style(&BLACK)
            .draw()
            .map_err(|e| failed(&e))?;
        area.present().map_err(|e| failed(&e))?;
    }
    Ok(svg)
}
