//! The picture: CPU time and throughput by window, as bars.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use font8x8::legacy::BASIC_LEGACY;

use crate::bars::Spread;
use crate::duel::{Cell, Row, Sample};
use crate::report::short;
use crate::servers::Kind;

const WIDTH: usize = 1200;
const HEIGHT: usize = 520;
const WHITE: Color = [255, 255, 255];
const BLACK: Color = [40, 40, 40];
const GREY: Color = [205, 205, 205];

type Color = [u8; 3];

struct Canvas(Vec<u8>);

impl Canvas {
    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, color: Color) {
        for row in y..(y + height).min(HEIGHT) {
            for column in x..(x + width).min(WIDTH) {
                let at = (row * WIDTH + column) * 3;
                self.0[at..at + 3].copy_from_slice(&color);
            }
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str, scale: usize) {
        for (index, letter) in text.bytes().enumerate() {
            let glyph = BASIC_LEGACY[usize::from(letter & 0x7f)];
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                    self.fill(x + (index * 8 + column) * scale, y + row * scale, scale, scale, BLACK);
                }
            }
        }
    }
}

fn color(kind: Kind) -> Color {
    match kind {
        Kind::Upxe => [0, 114, 178],
        Kind::Dnsmasq => [230, 159, 0],
        Kind::TftpdHpa => [0, 158, 115],
        Kind::Atftpd => [204, 121, 167],
        Kind::RsTftpd => [213, 94, 0],
        Kind::Floor => [150, 150, 150],
        Kind::Blaster => [90, 90, 90],
    }
}

/// Draws blocks of 1468 bytes to one client over a perfect line.
pub fn draw(path: &Path, results: &[(Cell, Vec<Row>)]) -> io::Result<()> {
    let cells: Vec<_> = [1, 4, 16, 64]
        .iter()
        .filter_map(|windowsize| results.iter().find(|(cell, _)| cell.name() == format!("1468 w{windowsize}")))
        .collect();
    let mut canvas = Canvas(vec![255; WIDTH * HEIGHT * 3]);
    canvas.fill(0, 0, WIDTH, HEIGHT, WHITE);
    panel(&mut canvas, 40, "seconds of CPU for a gigabyte (less is better)", &cells, Sample::cpu_per_gb);
    panel(&mut canvas, 630, "megabytes a second (more is better)", &cells, Sample::throughput);
    let mut kinds: Vec<Kind> = Vec::new();
    for row in cells.iter().flat_map(|(_, rows)| rows) {
        if !kinds.contains(&row.kind) {
            kinds.push(row.kind);
        }
    }
    for (index, kind) in kinds.into_iter().enumerate() {
        let x = 40 + index * 165;
        canvas.fill(x, 484, 16, 16, color(kind));
        canvas.text(x + 22, 488, kind.name(), 1);
    }
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(&canvas.0).map_err(io::Error::other)
}

fn panel(canvas: &mut Canvas, left: usize, title: &str, cells: &[&(Cell, Vec<Row>)], of: fn(&Sample) -> f64) {
    const TOP: usize = 60;
    const BOTTOM: usize = 440;
    const GROUP: usize = 132;
    canvas.text(left, 20, title, 1);
    canvas.text(left, 34, "1468-byte blocks, one client, medians", 1);
    let medians = |rows: &[Row]| -> Vec<(Kind, f64)> {
        rows.iter().map(|row| (row.kind, Spread::of(row.samples.iter().map(of)).median)).collect()
    };
    let highest = cells.iter().flat_map(|(_, rows)| medians(rows)).map(|(_, value)| value).fold(1e-9, f64::max);
    for quarter in 0..=4 {
        canvas.fill(left, BOTTOM - (BOTTOM - TOP) * quarter / 4, GROUP * 4, 1, GREY);
    }
    for (index, (cell, rows)) in cells.iter().enumerate() {
        let x = left + index * GROUP;
        let values: Vec<_> = medians(rows).into_iter().filter(|(_, value)| *value > 0.0).collect();
        let width = (GROUP - 14) / values.len().max(1);
        for (at, (kind, value)) in values.into_iter().enumerate() {
            let height = (value / highest * (BOTTOM - TOP) as f64) as usize;
            canvas.fill(x + at * width, BOTTOM - height, width - 2, height, color(kind));
        }
        // Last, so that no bar stands on it.
        if let Some((kind, value)) = medians(rows).first() {
            let height = (value / highest * (BOTTOM - TOP) as f64) as usize;
            canvas.text(x, (BOTTOM - height).saturating_sub(11), &format!("{} {}", kind.name(), short(*value)), 1);
        }
        canvas.text(x + 20, BOTTOM + 10, &format!("window {}", cell.windowsize), 1);
    }
    canvas.fill(left, BOTTOM, GROUP * 4, 1, BLACK);
}
